//! A release with a frontend is checked at the frontend's address, without a word in the manifest.

use std::io::{Cursor, Write};
use std::time::Duration;

use trueup::store::{Rollout, Verdict};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::delivery::{delivered, until_verdict};
use crate::harness::Harness;

/// The shop with such an address of its frontend.
fn shop_at(address: &str) -> String {
    let urls = format!("  urls: {{ frontend: \"{address}\" }}\n  aws: {{ region");
    delivered("{}").replacen("  aws: { region", &urls, 1)
}

fn archive(file: &str, page: &str) -> &'static [u8] {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(file, SimpleFileOptions::default()).unwrap();
    zip.write_all(page.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner().leak()
}

async fn first_release(yaml: &str, page: Option<(u16, &str)>) -> (Harness, Rollout) {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", archive("index.html", "<h1>one</h1>")).await;
    harness.put_code("broken.zip", archive("readme.txt", "no page")).await;
    if let Some((status, body)) = page {
        harness.sandbox.pages().set(PAGE, status, body);
    }
    harness.apply(yaml).await;
    harness.start().await;
    let over = || async {
        let rollout = harness.store.rollout("shop", 1).await.unwrap();
        rollout.is_some_and(|rollout| rollout.verdict != Verdict::Progressing)
    };
    harness.until("release 1 is over", over).await;
    let rollout = harness.store.rollout("shop", 1).await.unwrap().unwrap();
    (harness, rollout)
}

const PAGE: &str = "https://shop.example.com/";

#[tokio::test(start_paused = true)]
async fn a_site_that_was_deployed_well_and_shows_no_page_is_rolled_back() {
    let domain =
        "  branch: { name: main }\n  domain: { name: shop.com, subdomains: [{ prefix: www }] }\n";
    let yaml = shop_at("https://www.shop.com").replace("  branch: { name: main }\n", domain);
    let (harness, first) = first_release(&yaml, None).await;
    assert_eq!((first.verdict, first.message.as_str()), (Verdict::Succeeded, ""));
    harness.apply(&yaml.replace("web.zip", "broken.zip")).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "CheckFailed");
    let expected = "check 1 (https://www.shop.com): expected an answer with status 2xx, 3xx or 401, and the answer was 404";
    assert!(failed.message.starts_with(expected), "{}", failed.message);
    let back = until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(back.message, "", "the page of before answers again");
    assert_eq!(harness.sandbox.pages().requests(), [], "nobody else was asked");
}

#[tokio::test(start_paused = true)]
async fn what_the_address_answers_decides_and_that_nobody_is_reached_does_not() {
    let not_checked =
        |url: &str| format!("not checked: {url} is not reached from here: connection refused");
    let loopback = "http://localhost:4200";
    for (what, address, page, verdict, message, asked) in [
        ("a page", PAGE, Some(200), Verdict::Succeeded, String::new(), 1),
        ("it leads to another", PAGE, Some(302), Verdict::Succeeded, String::new(), 1),
        ("it asks for credentials", PAGE, Some(401), Verdict::Succeeded, String::new(), 1),
        ("nobody is reached", PAGE, None, Verdict::Succeeded, not_checked(PAGE), 3),
        ("the engineer's machine", loopback, None, Verdict::Succeeded, not_checked(loopback), 1),
        (
            "an error",
            PAGE,
            Some(503),
            Verdict::Failed,
            "check 1 (https://shop.example.com/): expected an answer with status 2xx, 3xx or 401, and the answer was 503"
                .to_owned(),
            3,
        ),
    ] {
        let page = page.map(|status| (status, "shop"));
        let (harness, first) = first_release(&shop_at(address), page).await;
        assert_eq!((first.verdict, first.message), (verdict, message), "{what}");
        assert_eq!(harness.sandbox.pages().requests().len(), asked, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_address_is_asked_once_where_a_check_names_it_and_never_without_a_frontend() {
    let yaml = shop_at(PAGE);
    let check = format!("rollout: {{ checks: [{{ url: \"{PAGE}\", contains: shop }}] }}");
    let named = yaml.replace("rollout: {}", &check);
    assert_ne!(named, yaml);
    let frontend = yaml.rfind("---").unwrap();
    for (what, yaml, asked) in [("named", named.as_str(), 1), ("no frontend", &yaml[..frontend], 0)]
    {
        let (harness, first) = first_release(yaml, Some((200, "shop"))).await;
        assert_eq!(first.verdict, Verdict::Succeeded, "{what}: {}", first.message);
        assert_eq!(harness.sandbox.pages().requests().len(), asked, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_becomes_slow_rolls_its_release_back() {
    let checks = format!("{{ checks: [{{ url: \"{PAGE}\", timeout: 300ms }}] }}");
    let yaml = delivered(&checks);
    let (harness, first) = first_release(&yaml, Some((200, "shop"))).await;
    assert_eq!(first.verdict, Verdict::Succeeded);
    for (takes, verdict) in [(250, Verdict::Succeeded), (350, Verdict::RolledBack)] {
        harness.sandbox.pages().slow_down(Duration::from_millis(takes));
        let memory = format!("memorySize: {}", 512 + takes);
        harness.apply(&yaml.replace("memorySize: 512", &memory)).await;
        let release = harness.store.head("shop").await.unwrap().unwrap().release;
        let rollout = until_verdict(&harness, release, verdict).await;
        let is_late = rollout.message.contains("no answer within 300ms");
        assert_eq!(is_late, verdict == Verdict::RolledBack, "{}", rollout.message);
    }
}
