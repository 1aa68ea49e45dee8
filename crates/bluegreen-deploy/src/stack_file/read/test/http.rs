//! Reads the tables `[test.NAME]` with `http`.

use std::time::Duration;

use bluegreen_core::StackReference;
use toml::de::DeValue;

use crate::stack_file::{
    Headers, HttpTest,
    read::{runs::one_or_pair, table::Table},
};

const URL: &str = "expected a URL, such as `https://test.shop.example/health`";

pub(super) fn read(table: &mut Table<'_>) -> Option<HttpTest> {
    let url = one_or_pair(table, "http");
    let mut is_good = true;
    if let Some(url) = &url {
        for stack in StackReference::BOTH {
            let span = table.span_of(&format!("http.{stack}"));
            if !is_url(url.of(stack)) {
                is_good = false;
                // What is for both stacks is shown once.
                if !table.document.has_problem_at(&span) {
                    let message = format!("`{}` is not a URL", table.document.written(&span));
                    table.document.note(span, message, Some(URL.to_owned()));
                }
            }
        }
    }
    let headers = headers(table, "headers");
    let expect_headers = headers_of(table, "expect-header");
    let status = table.integer("expect-status", 100..=599);
    let expect_body = table.string("expect-body");
    let timeout = table.duration_above_zero("timeout").unwrap_or(Duration::from_secs(10));
    let tries = table.integer("tries", 1..=100).unwrap_or(3);
    Some(HttpTest {
        url: url.filter(|_| is_good)?,
        headers,
        expect_status: status.and_then(|it| u16::try_from(it).ok()),
        expect_body,
        expect_headers,
        timeout,
        tries,
    })
}

/// Returns whether it has a scheme that is spoken and a host, and nothing that no URL has.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|it| it.split(['/', '?', '#']).next()).unwrap_or_default();
    !host.is_empty() && text.bytes().all(|it| it.is_ascii_graphic())
}

fn headers(table: &mut Table<'_>, key: &'static str) -> Headers {
    Headers(headers_of(table, key))
}

fn headers_of(table: &mut Table<'_>, key: &'static str) -> Vec<(String, String)> {
    let Some(value) = table.value(key) else { return Vec::new() };
    let DeValue::Table(entries) = value.get_ref() else {
        table.mismatch::<()>(key, value, "a table of texts, such as `{ accept = \"text/html\" }`");
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (name, value) in entries {
        let written = table.document.written(&name.span());
        if !is_header(name.get_ref()) {
            let message = format!("`{written}` cannot be the name of a header");
            let help = "expected letters, digits and hyphens".to_owned();
            table.document.note(name.span(), message, Some(help));
            continue;
        }
        let Some(text) = table.string_of(&format!("{key}.{written}"), value) else { continue };
        // The value is not shown: it may be secret.
        if text.bytes().all(|it| it == b' ' || it.is_ascii_graphic()) {
            headers.push((name.get_ref().to_string(), text));
        } else {
            let message = format!("the value of `{written}` cannot be that of a header");
            let help = "expected one line of ASCII characters".to_owned();
            table.document.note(value.span(), message, Some(help));
        }
    }
    headers
}

fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
}
