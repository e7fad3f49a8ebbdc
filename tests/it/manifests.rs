//! Manifests as their authors meet them: the samples, and everything that can be wrong.

use std::path::Path;

use trueup::manifest::{Scope, Source, Sources, json_schema, load};

use crate::harness::{parse, samples, shop, try_parse};

fn problems(yaml: &str) -> String {
    let source =
        Source { name: "api.yaml".to_owned(), text: yaml.to_owned(), directory: ".".into() };
    match load(Sources(vec![source]), None, Scope::Whole) {
        Err(problems) => problems.render(false),
        Ok(set) => match set.check_with(&[]) {
            Err(problems) => problems.render(false),
            Ok(()) => "no problem".to_owned(),
        },
    }
}

#[test]
fn every_sample_conforms_to_the_printed_schema() {
    let set = samples();
    set.check_with(&[]).unwrap();
    assert_eq!(set.len(), 21);
    for object in set.objects() {
        let validator = jsonschema::validator_for(json_schema(&object.kind).unwrap()).unwrap();
        let value = serde_json::to_value(object).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{}", object.id());
    }
}

#[test]
fn every_problem_of_a_set_is_reported_at_once_with_its_place() {
    let yaml = r#"apiVersion: trueup.dev/v1alpha1
kind: Function
metadata:
  name: api
  namespace: shop
spec:
  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/api
  memorysize: 512
  timeout: 9000
  timeout: 15
  code:
    path: dist
    image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/api:1
  url:
    authType: NOEN
  env:
    - name: STAGE
      value: production
    - name: AWS_REGION
      value: us-east-1
    - name: ORDERS
      valueFrom:
        objectRef: { kind: Table, name: orders, field: nmae }
---
apiVersion: trueup.dev/v1alpha1
kind: Tabel
metadata:
  name: orders
  namespace: shop
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata:
  name: shop
spec:
  aws:
    accountId: 123456789012
"#;
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn anchors_and_aliases_are_as_good_as_writing_it_out() {
    let yaml = r#"apiVersion: trueup.dev/v1alpha1
kind: Bucket
metadata: { name: assets, namespace: shop }
spec:
  tags: { team: shop }
  cors:
    - { allowedMethods: [GET], allowedOrigins: &origins [https://shop.example] }
    - { allowedMethods: [PUT], allowedOrigins: *origins }
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: { name: shop }
spec: { aws: { region: us-east-1 } }
"#;
    assert_eq!(problems(yaml), "no problem");
    let misspelt = yaml.replace("*origins", "*orignis");
    assert!(problems(&misspelt).contains("api.yaml:8"), "{}", problems(&misspelt));
}

#[test]
fn references_are_checked_between_objects() {
    let yaml = shop()
        .replace("kind: Table, name: orders, field: name", "kind: Table, name: order, field: nmae");
    insta::assert_snapshot!(problems(&yaml));
}

#[test]
fn limits_of_aws_are_checked_before_anything_is_stored() {
    let cases = [
        ("memorySize: 512", "memorySize: 64", "spec.memorySize is below 128"),
        ("memorySize: 512", "memorySize: 20000", "spec.memorySize is above 10240"),
        ("alias: live", "layers: [a, b, c, d, e, f]", "spec.layers has more than 5"),
        ("versioning: Enabled", "name: Shop_Assets", "the AWS name `Shop_Assets` is not legal"),
        ("ttl: { attribute: expiresAt }", "billing: { mode: PROVISIONED }", "needs throughput"),
        ("ttl: { attribute: expiresAt }", "tags: { aws:x: y }", "are reserved"),
        ("accountId: \"123456789012\"", "accountId: 123456789012", "quote it"),
        ("region: us-east-1", "region: us_east_1", "is not a legal spec.aws.region"),
        ("artifacts: {", "reconcile: { interval: 100ms }\n  artifacts: {", "at least 1s"),
        ("alias: live", "ignore: ['env[']", "is not a path"),
        ("alias: live", "ignore: ['env[DD_*]']", "* stands for all names only"),
        ("alias: live", "ignore: ['tags.*']", "* stands for all names only"),
        (
            "versioning: Enabled",
            "notifications: { queues: [{ id: q, arn: \"arn:aws:sqs:us-east-1:123456789012:q.fifo\", events: [\"s3:ObjectCreated:*\"] }] }",
            "S3 does not notify FIFO queues",
        ),
        (
            "versioning: Enabled",
            "notifications: { queues: [{ id: q, arn: \"arn:aws:sqs:us-east-1:123456789012:q\", events: [\"s3:ObjectCreated:*\"], prefix: in/ }], topics: [{ id: t, arn: \"arn:aws:sns:us-east-1:123456789012:t\", events: [\"s3:ObjectCreated:Put\"], suffix: .png }] }",
            "queues[0] has the same events for objects that both mean",
        ),
        (
            "versioning: Enabled",
            "notifications: { queues: [{ id: q, arn: \"arn:aws:sqs:us-east-1:123456789012:q\", events: [\"s3:ObjectCreated:*\"], prefix: in/ }], topics: [{ id: t, arn: \"arn:aws:sns:us-east-1:123456789012:t\", events: [\"s3:ObjectCreated:Put\"], prefix: out/ }] }",
            "no problem",
        ),
        (
            "name: orders, namespace: shop }",
            "name: orders, namespace: shop, annotations: { trueup.dev/adpot: 'true' } }",
            "did you mean `trueup.dev/adopt`",
        ),
        (
            "namespace: shop }\nspec:\n  versioning",
            "namespace: shpo }\nspec:\n  versioning",
            "did you mean `shop`",
        ),
        ("memorySize: 512", "description: |\n    x", "no problem"),
    ];
    for (from, to, expected) in cases {
        let yaml = shop().replacen(from, to, 1);
        assert_ne!(yaml, shop(), "{from} is in the manifest");
        let found = problems(&yaml);
        assert!(found.contains(expected), "{to}: {found}");
    }
}

/// What is advised would be right.
#[test]
fn a_value_of_another_form_is_told_what_to_write() {
    let cases = [
        ("memorySize: 512", "memorySize: 512MB", "the number without a unit", 1),
        ("memorySize: 512", "memorySize: \"512\"", "take the quotes away: 512", 1),
        ("memorySize: 512", "memory: 512", "it is called `memorySize` here", 1),
        ("memorySize: 512", "layers: [tools]", "the ARN of a layer's version, as arn:", 1),
        (
            "alias: live",
            "url: { authType: NONE, cors: { allowCredentials: \"yes\" } }",
            "write true",
            1,
        ),
        ("env:\n    - {", "tracing: { mode: Active }\n  env:\n    - {", "no problem", 0),
        ("versioning: Enabled", "versioning: true", "it may be Enabled, Suspended", 1),
        ("partitionKey:", "hashKey:", "it is called `partitionKey` here", 2),
        (
            "artifacts: {",
            "reconcile: { interval: 30 }\n  artifacts: {",
            "write for example 60s, 5m, 1h30m or 2d",
            1,
        ),
        ("\"123456789012\"", "012345678901", "quote it: \"012345678901\"", 2),
        (
            "role: arn:aws:iam::123456789012:role/api",
            "role: api",
            "write the ARN of an IAM role, as arn:aws:iam::123456789012:role/production-api",
            1,
        ),
    ];
    for (from, to, expected, count) in cases {
        let yaml = shop().replacen(from, to, 1);
        assert_ne!(yaml, shop(), "{from} is in the manifest");
        let found = problems(&yaml);
        assert!(found.contains(expected), "{to}: {found}");
        assert_eq!(found.matches("error: ").count(), count, "{to}: {found}");
    }
    let env = "  env:\n    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }\n";
    let map = shop().replacen(env, "  env:\n    STAGE: dev\n", 1);
    assert_ne!(map, shop());
    let found = problems(&map);
    assert!(found.contains("write a list, as [{ name: STAGE, value: ... }]"), "{found}");
}

/// Advice that leads to the next error is none, also where more than one field is wrong.
#[test]
fn a_number_where_a_duration_is_expected_is_told_its_unit() {
    let yaml = shop().replacen(
        "  artifacts: {",
        "  reconcile: { interval: 30 }\n  rollout: { progressDeadline: 30, bakeTime: 5 }\n  artifacts: {",
        1,
    );
    let found = problems(&yaml);
    assert_eq!(found.matches("is not a duration; write for example 60s").count(), 3, "{found}");
    assert!(!found.contains("quote it"), "{found}");
}

#[test]
fn one_fault_of_the_environment_is_said_once() {
    let packaged = shop().replacen(
        &format!("code: {{ s3: {{ bucket: {}, key: api.zip }} }}", crate::harness::ARTIFACTS),
        "code: { path: dist }",
        1,
    );
    assert_ne!(packaged, shop());
    for (from, to) in [
        ("accountId: \"123456789012\"", "accountId: 123456789012"),
        ("artifacts: {", "artifact: {"),
    ] {
        let found = problems(&packaged.replacen(from, to, 1));
        assert_eq!(found.matches("error: ").count(), 1, "{to}: {found}");
    }
}

#[test]
fn an_object_that_the_store_could_not_hold_is_refused() {
    let noted = |bytes: usize| {
        let note = "x".repeat(bytes);
        shop().replacen(
            "name: orders, namespace: shop }",
            &format!("name: orders, namespace: shop, annotations: {{ note: {note} }} }}"),
            1,
        )
    };
    assert_eq!(problems(&noted(300_000)), "no problem");
    let found = problems(&noted(310_000));
    assert!(found.contains("the store takes 307200"), "{}", &found[..found.len().min(300)]);
}

#[test]
fn a_circle_of_references_is_refused() {
    let function = |name: &str, other: &str| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: {name}, namespace: shop }}\nspec:\n  runtime: nodejs22.x\n  handler: h\n  role: arn:aws:iam::123456789012:role/api\n  code: {{ s3: {{ bucket: artifacts, key: a }} }}\n  env: [{{ name: OTHER, valueFrom: {{ objectRef: {{ kind: Function, name: {other}, field: arn }} }} }}]\n"
        )
    };
    let environment = shop().split("---").next().unwrap().to_owned();
    let found = problems(&format!("{environment}{}{}", function("a", "b"), function("b", "a")));
    assert!(found.contains("Function/a -> Function/b -> Function/a"), "{found}");
}

#[test]
fn bad_text_is_refused_with_a_place_and_never_panics() {
    let deep = "a: ".to_owned() + &"[".repeat(5000);
    let cases = [
        "kind: [unclosed",
        "\t- tab",
        "a: b: c",
        "- 1\n- 2",
        "just text",
        "? {a: b}\n: c",
        "&a [*a]",
        "%YAML 9.9\n---\n",
        "kind: Function",
        "{}",
        "kind: null",
        "apiVersion: 1\nkind: 2",
        "!!binary x",
        deep.as_str(),
        "a: *missing",
        "\u{feff}kind: Table",
        "kind: Table\nmetadata: []\nspec: 3",
        "é: ü\nkind: Tablé",
    ];
    for text in cases {
        let found = problems(text);
        assert!(found.contains("api.yaml:"), "{text:.40}: {found}");
    }
    assert_eq!(problems(""), "no problem");
}

#[test]
fn files_that_are_no_manifests_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let binary = write("binary.yaml", b"kind: \xff\xfe");
    let huge = write("huge.yaml", &vec![b' '; 17 * 1024 * 1024]);
    let empty = root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let pipe = root.path().join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let cases: [(&Path, &str); 6] = [
        (&pipe, "is neither a file nor a directory"),
        (Path::new("/dev/zero"), "is neither a file nor a directory"),
        (&binary, ":1:7 is not UTF-8 text"),
        (&huge, "17825792 bytes"),
        (&empty, "holds no .yaml"),
        (Path::new("/nowhere.yaml"), "cannot read /nowhere.yaml"),
    ];
    for (path, expected) in cases {
        let error = Sources::default().read(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let sized =
        |size: &str| parse(&shop().replace("memorySize: 512", &format!("memorySize: {size}")));
    let set = sized("512.0");
    let api = set.objects().find(|object| object.kind == "Function").unwrap();
    assert_eq!(api.spec["memorySize"], 512);
    assert_eq!(
        api.digest(),
        sized("512").objects().find(|o| o.kind == "Function").unwrap().digest()
    );
    let broken = try_parse(&shop().replace("memorySize: 512", "memorySize: 512.5")).unwrap_err();
    assert!(broken.to_string().contains("memorySize: 512.5"), "{broken}");
}

#[test]
fn a_list_is_read_as_its_items_and_problems_point_into_it() {
    let list = |handler: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: trueup.dev/v1alpha1\n  kind: Environment\n  metadata: {{ name: dev }}\n  spec: {{}}\n- apiVersion: trueup.dev/v1alpha1\n  kind: Table\n  metadata: {{ name: t, namespace: dev }}\n  spec:\n    {handler}: {{ name: id, type: S }}\n"
        )
    };
    let set = parse(&list("partitionKey"));
    let ids: Vec<_> = set.objects().map(|object| object.id().to_string()).collect();
    assert_eq!(ids, ["Environment/dev", "Table/t"]);
    let broken = problems(&list("partitonKey"));
    assert!(broken.contains("api.yaml:12:5") && broken.contains("partitionKey"), "{broken}");
}

#[test]
fn a_path_of_a_kustomization_is_relative_to_the_manifest_that_says_it() {
    use trueup::kinds::environment::Artifacts;
    use trueup::manifest::package::package;
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let function = "apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: { name: api }\nspec:\n  runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  code: { path: ../dist/api }\n";
    write("base/api.yaml", function);
    write("base/kustomization.yaml", "resources: [api.yaml]\n");
    write("dist/api/main.js", "of the base");
    write("overlays/dev/build/main.js", "of the overlay");
    let overlay = "namespace: dev\nresources: [../../base]\n";
    let patch = "patches:\n  - target: { kind: Function }\n    patch: |-\n      - { op: replace, path: /spec/code/path, value: build }\n";
    let artifacts = |_: &str| Some(Artifacts { bucket: "artifacts".to_owned(), prefix: None });
    let key = |kustomization: &str| {
        write("overlays/dev/kustomization.yaml", kustomization);
        let mut sources = Sources::default();
        sources.kustomize(&root.path().join("overlays/dev"))?;
        let set = load(sources, None, Scope::Part).unwrap();
        Ok::<_, trueup::manifest::SourceError>(package(&set, artifacts).unwrap().1[0].key.clone())
    };
    let of_base = match key(overlay) {
        Err(trueup::manifest::SourceError::NoKustomize) => {
            crate::proof::figure("kustomize", "SKIPPED: neither kubectl nor kustomize is here");
            return;
        }
        key => key.unwrap(),
    };
    let of_overlay = key(&format!("{overlay}{patch}")).unwrap();
    assert_ne!(of_base, of_overlay, "each found its own code");
}
