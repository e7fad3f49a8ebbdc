//! Content addresses: SHA-256 over a canonical JSON text.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The lower-case hex SHA-256 of some bytes.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The HMAC-SHA-256 of a text. A key may be of any length: <https://www.rfc-editor.org/rfc/rfc2104#section-3>.
pub fn hmac_sha256(key: &[u8], text: &str) -> Hmac<Sha256> {
    #[allow(clippy::expect_used)]
    // It fails for lengths that HMAC does not take, and there are none.
    let mut mac = Hmac::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac
}

/// JSON with the keys of every object sorted, so that equal values have equal texts.
pub fn canonical_json(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort();
                Value::Object(keys.into_iter().map(|k| (k.clone(), sorted(&map[k]))).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

/// The digest of a value's canonical JSON. Values that serialize to equal JSON share it.
pub fn digest_of(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or(Value::Null);
    sha256_hex(canonical_json(&json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_change_a_digest() {
        assert_eq!(
            digest_of(&json!({"a": 1, "b": {"c": [1, 2], "d": null}})),
            digest_of(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1})),
        );
        assert_ne!(digest_of(&json!([1, 2])), digest_of(&json!([2, 1])));
    }
}
