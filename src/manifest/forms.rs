//! Legal forms in words: what each pattern of the schemas asks for, with an example.
//!
//! Guarantees (held by tests): every pattern of every kind is here, and every example matches its pattern.

/// The pattern of a KMS key's ARN.
pub(super) const KMS_KEY: &str = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$";

/// A pattern, what it asks for, and an example of it.
const FORMS: &[(&str, &str, &str)] = &[
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "lower-case letters, digits and hyphens, with no hyphen at either end",
        "orders-api",
    ),
    (
        KMS_KEY,
        "the ARN of a KMS key or alias",
        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
    (r"^\d{4}-\d{2}-\d{2}$", "a date", "2026-12-31"),
    ("^https?$", "http or https", "https"),
    ("^[45][0-9]{2}$", "an HTTP status of an error", "404"),
    ("^3(0[1-9]|[1-9][0-9])$", "an HTTP status of a redirect", "301"),
    (
        r"^arn:aws[a-zA-Z0-9-]*:(lambda|sqs|sns):[a-z0-9-]+:\d{12}:.+$",
        "the ARN of a function, a queue or a topic",
        "arn:aws:sqs:eu-central-1:123456789012:uploads",
    ),
    (
        r"^arn:aws[a-zA-Z0-9-]*:iam::\d{12}:role/.+$",
        "the ARN of an IAM role",
        "arn:aws:iam::123456789012:role/replication",
    ),
    (r"^arn:aws[a-zA-Z0-9-]*:s3:::.+$", "the ARN of a bucket", "arn:aws:s3:::shop-assets"),
    (r"^(cron|rate)\(.+\)$", "a schedule: cron(...) or rate(...)", "cron(0 8 ? * MON-FRI *)"),
    (
        r"^[^\s:/|]([^:/|]*[^\s:/|])?$",
        "a name without `:`, `/` and `|`, and without spaces at its ends",
        "morning",
    ),
    (r"^\d{12}$", "an account's twelve digits, in quotes", "123456789012"),
    (
        r"^arn:aws[a-zA-Z0-9-]*:s3:[a-z0-9-]+:\d{12}:accesspoint/.+$",
        "the ARN of an S3 access point",
        "arn:aws:s3:eu-central-1:123456789012:accesspoint/reports",
    ),
    (r"^[a-z]{2,}(-[a-z]+)+-\d+$", "an AWS region", "eu-central-1"),
    (
        r"^arn:aws[a-zA-Z-]*:iam::\d{12}:role/.+$",
        "the ARN of an IAM role",
        "arn:aws:iam::123456789012:role/trueup",
    ),
    (r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", "a repository with its owner", "example/shop"),
    (r"^https?://\S+$", "an address with http:// or https://", "https://github.com/shop/web"),
    (
        r"^[0-9A-Za-z.\-_]*[0-9A-Za-z\-_]$",
        "a bucket's name: letters, digits, dots, hyphens and underscores",
        "shop-artifacts",
    ),
    (
        "^[0-9a-f]{64}$",
        "a SHA-256 digest as 64 hexadecimal digits",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    ("^(200|301|302|404|404-200)$", "200, 301, 302, 404 or 404-200, in quotes", "301"),
    (
        r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]\.?$",
        "a domain's name",
        "shop.example.com",
    ),
    (
        r"^(arn:aws[a-zA-Z-]*:acm:[a-z0-9-]+:\d{12}:certificate/.+)?$",
        "the ARN of an ACM certificate",
        "arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
    (
        "^(nodejs|python|java|dotnet|dotnetcore|ruby|go|provided)[0-9a-z.-]*$",
        "a Lambda runtime",
        "nodejs22.x",
    ),
    (r"^\S+$", "a text without spaces", "main.handler"),
    (
        r"^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$",
        "the ARN of an IAM role",
        "arn:aws:iam::123456789012:role/production-api",
    ),
    (
        "^arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+$",
        "the ARN of a layer's version",
        "arn:aws:lambda:eu-central-1:123456789012:layer:tools:3",
    ),
    (
        "^(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)?$",
        "an ARN",
        "arn:aws:sqs:eu-central-1:123456789012:failed",
    ),
    (
        "^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$",
        "letters, digits, hyphens and underscores, and not digits alone",
        "live",
    ),
    (r"^[.\-_/#A-Za-z0-9]+$", "the name of a log group", "/aws/lambda/production-api"),
    (
        r"^$|^kafka://[^.][a-zA-Z0-9\-_.]{0,248}$|^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:([a-z]{2,}(-[a-z]+)+-\d+)?:(\d{12})?:.*$",
        "the ARN of where the record goes",
        "arn:aws:sqs:eu-central-1:123456789012:failed",
    ),
    (r"^[^\n]*$", "a text of one line", "*"),
    ("^[a-zA-Z0-9_-]+$", "letters, digits, hyphens and underscores", "from-s3"),
    ("^(lambda:[*]|lambda:[a-zA-Z]+|[*])$", "an action of Lambda", "lambda:InvokeFunction"),
    (
        r"^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:([a-z]{2,}(-[a-z]+)+-\d+)?:(\d{12})?:.*$",
        "an ARN",
        "arn:aws:s3:::shop-assets",
    ),
    ("^o-[a-z0-9]{10,32}$", "the id of an organization", "o-a1b2c3d4e5"),
    (r"^[a-zA-Z0-9._\-]+$", "letters, digits, dots, hyphens and underscores", "amzn1.ask.skill"),
    ("^[a-zA-Z0-9_.-]+$", "letters, digits, dots, hyphens and underscores", "byStatus"),
    (
        r"^arn:[^:]+:kms:[^:]+:\d{12}:key/.+$",
        "the ARN of a KMS key, not of an alias",
        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
];

/// What a pattern asks for, in words.
pub(super) fn form(pattern: &str) -> String {
    match FORMS.iter().find(|(known, ..)| *known == pattern) {
        Some((_, words, example)) => format!("write {words}, as {example}"),
        None => format!("it must match {pattern}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::{json_schema, kind_names};
    use super::*;

    fn patterns<'a>(node: &'a Value, out: &mut BTreeSet<&'a str>) {
        match node {
            Value::Object(fields) => {
                out.extend(fields.get("pattern").and_then(Value::as_str));
                fields.values().for_each(|inner| patterns(inner, out));
            }
            Value::Array(items) => items.iter().for_each(|inner| patterns(inner, out)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_every_kind_is_said_in_words_and_every_example_matches() {
        let mut used = BTreeSet::new();
        kind_names().iter().for_each(|kind| patterns(json_schema(kind).unwrap(), &mut used));
        let known: BTreeSet<_> = FORMS.iter().map(|(pattern, ..)| *pattern).collect();
        assert_eq!(known.len(), FORMS.len(), "a pattern is told once");
        assert_eq!(known, used);
        for (pattern, _, example) in FORMS {
            let schema = jsonschema::validator_for(&json!({"pattern": pattern})).unwrap();
            assert!(schema.is_valid(&json!(example)), "{example} does not match {pattern}");
        }
    }
}
