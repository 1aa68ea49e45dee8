//! [`Group`], the processes of a program, which do not outlive the one that has started it.

/// The processes of a program that runs: it and what it has started, unless that has left the group.
///
/// Dropped before the program has ended, they are killed. A process that is killed drops nothing: a shell that holds
/// the end of a pipe notices, and kills them then. (The kernel could, too, but only with `unsafe` code, and only the
/// program itself.)
#[derive(Debug)]
pub(super) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
    /// Dies with us in any case; without it only what we can still do ourselves is done.
    #[cfg(unix)]
    watch: Option<tokio::process::Child>,
}

#[cfg(unix)]
impl Group {
    /// Takes the group that `process` leads.
    pub(super) fn of(process: u32) -> Self {
        use std::process::Stdio;

        let leader = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
        // Nothing is ever written: reading ends when the last one who could write is gone.
        let watch = leader.map(|leader| {
            tokio::process::Command::new("/bin/sh")
                .args(["-c", "read -r line || kill -s KILL -- \"-$1\"", "sh"])
                .arg(leader.as_raw_nonzero().to_string())
                .env_clear()
                .current_dir("/")
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
        });
        let watch = watch.and_then(|it| {
            it.inspect_err(|err| tracing::warn!("programs are not watched over: {err}")).ok()
        });
        Self { leader, watch }
    }

    /// Lets go of it: the program has ended by itself.
    pub(super) fn has_ended(mut self) {
        self.leader = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        // First of all, before the pipe is closed.
        if let Some(watch) = &mut self.watch {
            let _ = watch.start_kill();
        }
        if let Some(leader) = self.leader {
            // Nobody is left to be killed: that is fine.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
impl Group {
    /// Knows of no groups: only the program itself is killed.
    pub(super) fn of(_process: u32) -> Self {
        Self {}
    }

    pub(super) fn has_ended(self) {}
}

/// Returns the name of this machine.
pub(crate) fn host() -> Option<String> {
    #[cfg(unix)]
    let name = Some(rustix::system::uname().nodename().to_string_lossy().into_owned());
    #[cfg(not(unix))]
    let name = None;
    name
}

/// Returns a process on this machine that belongs to a program which was started as `process` and found `variable`
/// (`NAME=value`) in its environment.
///
/// Linux shows what processes have in their environment, so that no other process is taken for it that has got its
/// number since.
#[cfg(target_os = "linux")]
pub(crate) fn survivor(variable: &str, _process: Option<u32>) -> Option<u32> {
    let found = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|it| {
        let process: u32 = it.file_name().to_str()?.parse().ok()?;
        // Those of others cannot be read, and those that are dead have none.
        let environment = std::fs::read(it.path().join("environ")).ok()?;
        let is_its = environment.split(|it| *it == 0).any(|it| it == variable.as_bytes());
        (is_its && process != std::process::id()).then_some(process)
    });
    found.min()
}

/// Returns `process` when there is a group of that number, which is probably still the same.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn survivor(_variable: &str, process: Option<u32>) -> Option<u32> {
    let process = process?;
    let leader = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw)?;
    rustix::process::test_kill_process_group(leader).is_ok().then_some(process)
}

/// Cannot tell.
#[cfg(not(unix))]
pub(crate) fn survivor(_variable: &str, _process: Option<u32>) -> Option<u32> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{os::unix::process::CommandExt, time::Duration};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Starts a program that has started another, and returns it with what it has in its environment.
    fn program(name: &str) -> (std::process::Child, String) {
        let value = format!("{name}-{}", std::process::id());
        let child = std::process::Command::new("sh")
            .args(["-c", "sleep 120 & wait"])
            .env("BLUEGREEN_STEP", &value)
            .process_group(0)
            .spawn()
            .unwrap();
        (child, format!("BLUEGREEN_STEP={value}"))
    }

    /// Waits until nothing is left of it.
    async fn is_gone(variable: &str) -> bool {
        let gone = async {
            while survivor(variable, None).is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.is_ok()
    }

    #[tokio::test]
    async fn when_the_pipe_is_closed_by_the_end_of_this_process_all_are_killed() {
        let (mut child, variable) = program("killed");
        let mut group = Group::of(child.id());

        // What the operating system does to a process that is killed: it closes what that had open, and no more.
        drop(group.watch.as_mut().unwrap().stdin.take());
        let gone = is_gone(&variable).await;

        group.has_ended();
        assert!(gone && !child.wait().unwrap().success());
    }

    #[tokio::test]
    async fn dropped_it_kills_all_and_told_that_the_program_has_ended_it_kills_none() {
        let ((mut child, left), (mut other, dropped)) = (program("left"), program("dropped"));

        Group::of(child.id()).has_ended();
        drop(Group::of(other.id()));

        assert!(is_gone(&dropped).await);
        assert!(survivor(&left, None).is_some());
        other.wait().unwrap();
        drop(Group::of(child.id()));
        child.wait().unwrap();
    }
}
