//! The least policy of a configuration, in the language of IAM.

use serde_json::{Value, json};

/// What is done to secrets of a name.
const ACTIONS: [&str; 11] = [
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
];
/// What has no secret to be limited to: service authorization reference, "Actions defined by AWS Secrets Manager".
const WIDE: [&str; 2] = ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"];

/// The policy for every name that starts with `prefix`. A key of one's own needs a statement more.
pub(crate) fn least(prefix: &str, region: Option<&str>, kms_key: Option<&str>) -> String {
    let region = region.unwrap_or("*");
    // The service adds a hyphen and six characters to each name.
    let secrets = format!("arn:aws:secretsmanager:{region}:*:secret:{prefix}*");
    let mut statements = vec![statement(&ACTIONS, &secrets), statement(&WIDE, "*")];
    statements.extend(kms_key.map(|key| key_statement(key, region)));
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    format!("{policy:#}\n")
}

/// The key of its ARN, its id or its alias: API reference, `KmsKeyId`.
fn key_statement(key: &str, region: &str) -> Value {
    let actions = ["kms:Decrypt", "kms:GenerateDataKey"];
    if key.starts_with("alias/") {
        let mut statement = statement(&actions, &format!("arn:aws:kms:{region}:*:key/*"));
        statement["Condition"] = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": key}});
        return statement;
    }
    let whole =
        if key.starts_with("arn:") { key.to_owned() } else { format!("arn:aws:kms:{region}:*:key/{key}") };
    statement(&actions, &whole)
}

fn statement(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_the_prefix_and_no_more() {
        let policy: Value = serde_json::from_str(&least("app/", Some("eu-central-1"), None)).unwrap();
        let first = &policy["Statement"][0];
        assert_eq!(first["Resource"], "arn:aws:secretsmanager:eu-central-1:*:secret:app/*");
        let text = policy.to_string();
        assert!(!text.contains("secretsmanager:*") && !text.contains("kms:") && !text.contains("Policy\""));
        let keyed = least("", None, Some("1234"));
        assert!(keyed.contains("\"arn:aws:kms:*:*:key/1234\"") && keyed.contains("kms:GenerateDataKey"));
        assert!(least("", None, Some("alias/x")).contains("\"kms:ResourceAliases\": \"alias/x\""));
    }
}
