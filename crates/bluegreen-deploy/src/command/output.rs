//! Waiting for a program, and reading meanwhile what it writes.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Child,
    time::{Instant, interval},
};

use super::{Ended, Listener, quoted};

/// How much of what a program writes is kept, in bytes: the end.
const MOST: usize = 1 << 20;

/// How often a new last line is told.
const NEW: Duration = Duration::from_secs(5);

/// How often the same is told again: it is still at work.
const SAME: Duration = Duration::from_secs(30);

/// Waits for the end of the program and of its output, and tells `listener` its last line.
pub(super) async fn wait(child: &mut Child, listener: &dyn Listener) -> io::Result<Ended> {
    let last = Mutex::default();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ending = async { tokio::try_join!(read(out, &last), read(err, &last), child.wait()) };
    let (printed, complained, status) = tokio::select! {
        biased;
        ended = ending => ended?,
        () = tell(&last, listener) => return Err(io::ErrorKind::Other.into()),
    };
    Ok(Ended {
        code: status.code(),
        how: status.to_string(),
        printed: String::from_utf8_lossy(&printed).into_owned(),
        complained: String::from_utf8_lossy(&complained).into_owned(),
    })
}

/// Tells the last line, for as long as it is asked to.
async fn tell(last: &Mutex<String>, listener: &dyn Listener) {
    let mut ticks = interval(NEW);
    let mut told: Option<(Instant, String)> = None;
    loop {
        ticks.tick().await;
        let line = lock(last).clone();
        let is_due = told.as_ref().is_none_or(|(at, it)| *it != line || at.elapsed() >= SAME);
        if is_due {
            listener.wrote(&line);
            told = Some((Instant::now(), line));
        }
    }
}

/// Reads to the end, and keeps the end.
async fn read(source: Option<impl AsyncRead + Unpin>, last: &Mutex<String>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut source) = source else { return Ok(kept) };
    let mut some = vec![0; 8 << 10];
    loop {
        let count = source.read(&mut some).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&some[..count]);
        if kept.len() > 2 * MOST {
            kept.drain(..kept.len() - MOST);
        }
        if let Some(line) = last_line(&kept) {
            *lock(last) = line;
        }
    }
}

/// Returns the last line with something in it; one that a carriage return has overwritten is none.
fn last_line(text: &[u8]) -> Option<String> {
    let lines = text.rsplit(|it| matches!(it, b'\n' | b'\r'));
    lines.map(|it| quoted(&String::from_utf8_lossy(it))).find(|it| !it.is_empty())
}

fn lock(last: &Mutex<String>) -> MutexGuard<'_, String> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::Result;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[async_trait]
    impl Listener for Heard {
        async fn started(&self, _process: u32) -> Result<()> {
            Ok(())
        }

        fn wrote(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    #[test]
    fn the_last_line_is_the_last_with_something_in_it() {
        assert_eq!(last_line(b"one\ntwo\n\n").unwrap(), "two");
        assert_eq!(last_line(b"one\n10 %\r20 %").unwrap(), "20 %");
        assert_eq!(last_line(b"\n \n"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_line_is_told_soon_and_the_same_again_after_a_while() {
        let (heard, last) = (Heard::default(), Mutex::new(String::new()));
        let seconds = |it| Duration::from_secs(it);

        let listening = tokio::time::timeout(seconds(12), tell(&last, &heard));
        tokio::join!(listening, async { *lock(&last) = "40 %".to_owned() }).0.unwrap_err();
        tokio::time::timeout(seconds(32), tell(&last, &heard)).await.unwrap_err();

        assert_eq!(*heard.0.lock().unwrap(), ["", "40 %", "40 %", "40 %"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_program_writes_is_told_before_it_ends() {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", "echo 40 %; sleep 0.3"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let heard = Heard::default();

        let ended = wait(&mut child, &heard).await.unwrap();

        assert_eq!((ended.code, ended.printed.trim()), (Some(0), "40 %"));
        assert!(heard.0.lock().unwrap().iter().any(|it| it == "40 %"));
    }

    #[tokio::test]
    async fn only_the_end_of_much_is_kept() {
        let much = [vec![b'x'; 3 * MOST], b"\nend".to_vec()].concat();
        let last = Mutex::default();

        let kept = read(Some(much.as_slice()), &last).await.unwrap();

        assert!(kept.len() <= 2 * MOST && kept.ends_with(b"\nend"), "{}", kept.len());
        assert_eq!(*lock(&last), "end");
    }
}
