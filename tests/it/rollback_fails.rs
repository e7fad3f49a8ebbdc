//! The worst night, with the real binary: a release fails, its rollback fails, too, and whoever listens at a real socket
//! is told of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use trueup::sandbox::Fault;

use crate::proof::kill::{MANIFESTS, shop_folder};
use crate::proof::served::Served;
use crate::telling::hmac_by_python;

/// What a busy machine may take; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(100);

/// A request as it came over the wire.
#[derive(Clone, Debug)]
struct Received {
    headers: BTreeMap<String, String>,
    body: String,
}

/// A server that refuses the first request and takes every other one. Ends with the test's process.
fn listen() -> (String, Arc<Mutex<Vec<Received>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read(&mut BufReader::new(&stream));
            let mut seen = seen.lock().unwrap();
            let status = if seen.is_empty() { "503 Service Unavailable" } else { "204 No Content" };
            seen.push(request);
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, received)
}

fn read(reader: &mut impl BufRead) -> Received {
    let mut lines = reader.by_ref().lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "POST /hook HTTP/1.1");
    let headers: BTreeMap<_, _> = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        })
        .collect();
    let length = headers["content-length"].parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Received { headers, body: String::from_utf8(body).unwrap() }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_failed_rollback_degrades_the_environment_and_is_told_over_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let (url, received) = listen();
    let notifications = format!(
        "notifications: [{{ webhook: {{ url: \"{url}\", secretFrom: {{ ssm: {{ name: /proof/key }} }} }} }}]"
    );
    let manifests = MANIFESTS.replace("rollout: { rollback: Manual }", &notifications);
    assert_ne!(manifests, MANIFESTS);
    let path = shop_folder(folder.path(), &manifests);
    let file = path.to_str().unwrap();
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    let key = r#"{"Name":"/proof/key","Value":"signing-key","Type":"SecureString"}"#;
    aws.ask("ssm", "POST", "/", "AmazonSSM.PutParameter", key);
    let _daemon = aws.replica("a", &[]);
    aws.done(&["apply", "-f", file, "--wait", "--timeout", "100s"]);
    let degraded = || {
        let template = "jsonpath={.items[0].conditions[0].reason}";
        let output = aws.trueup(&["get", "health", "-o", template]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(degraded(), "", "nothing is optional");
    // The first change of the function is let through, and the one of the bucket never.
    for fault in ["lambda:UpdateFunctionConfiguration=denied@1", "s3:PutBucketVersioning=denied"] {
        aws.sandbox.faults().inject(fault.parse::<Fault>().unwrap().of("a"));
    }
    let broken = manifests
        .replace("handler: main.handler", "handler: other.handler")
        .replace("versioning: Enabled", "versioning: Suspended");
    std::fs::write(&path, broken).unwrap();
    aws.done(&["apply", "-f", file]);
    until("the environment is degraded", || degraded() == "RollbackFailed");
    let shown = aws.trueup(&["get", "health"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("release 3, which was to undo a failed one, failed, too"), "{shown}");

    let topics = || -> Vec<String> {
        let all = received.lock().unwrap().clone();
        let topic = |r: &Received| {
            let body: Value = serde_json::from_str(&r.body).unwrap();
            body["topic"].as_str().unwrap().to_owned()
        };
        all.iter().map(topic).collect()
    };
    until("both failures are told", || topics().iter().filter(|t| *t == "Failed").count() == 2);
    let all = received.lock().unwrap().clone();
    assert_eq!(all[0].body, all[1].body, "what was refused is told again");
    for request in &all {
        let timestamp = &request.headers["x-trueup-timestamp"];
        let expected = hmac_by_python("signing-key", &format!("{timestamp}.{}", request.body));
        assert_eq!(request.headers["x-trueup-signature"], format!("sha256={expected}"));
        assert_eq!(request.headers["content-type"], "application/json");
    }
}
