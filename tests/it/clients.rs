//! AWS's own clients against the embedded AWS.

use std::path::Path;

use crate::binary::Aws;
use crate::python;

#[test]
fn boto3_finds_what_it_expects() {
    let Some(bin) = python::bin() else { return };
    let aws = Aws::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients.py");
    let output = aws.client(bin.join("python")).arg(script).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "ok\n", "{err}");
}

#[test]
fn the_aws_cli_finds_what_it_expects() {
    let Some(bin) = python::bin() else { return };
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("hello.txt");
    std::fs::write(&file, "hello\n").unwrap();
    let copied = root.path().join("copied.txt");
    let run = |arguments: &[&str]| {
        let output = aws.client(bin.join("aws")).args(arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["s3", "mb", "s3://cli-bucket"]);
    run(&["s3", "cp", file.to_str().unwrap(), "s3://cli-bucket/a/hello.txt"]);
    run(&["s3", "cp", "s3://cli-bucket/a/hello.txt", copied.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(copied).unwrap(), "hello\n");
    run(&[
        "dynamodb",
        "create-table",
        "--table-name",
        "cli",
        "--billing-mode",
        "PAY_PER_REQUEST",
        "--attribute-definitions",
        "AttributeName=id,AttributeType=S",
        "--key-schema",
        "AttributeName=id,KeyType=HASH",
    ]);
    assert_eq!(
        run(&["dynamodb", "list-tables", "--query", "TableNames", "--output", "text"]),
        "cli\n"
    );
    run(&["amplify", "create-app", "--name", "cli"]);
    assert_eq!(
        run(&["amplify", "list-apps", "--query", "apps[].name", "--output", "text"]),
        "cli\n"
    );
    let none = run(&["lambda", "list-functions", "--query", "length(Functions)"]);
    assert_eq!(none, "0\n");
}
