//! The least role of a configuration, in the language of Azure's role definitions.

use reqwest::Url;
use serde_json::json;

/// What is done to secrets: "Azure permissions for Security", Microsoft.KeyVault.
const ACTIONS: [&str; 6] = [
    "Microsoft.KeyVault/vaults/secrets/delete",
    "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "Microsoft.KeyVault/vaults/secrets/purge/action",
    "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "Microsoft.KeyVault/vaults/secrets/recover/action",
    "Microsoft.KeyVault/vaults/secrets/setSecret/action",
];

/// The role for the secrets of a vault. Azure assigns roles to a vault or to one secret, never to a prefix of
/// names.
pub(crate) fn least(vault: &Url) -> String {
    let name = vault.host_str().and_then(|host| host.split('.').next()).unwrap_or_default();
    let scope = format!(
        "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.KeyVault/vaults/{name}"
    );
    let role = json!({
        "Name": format!("secrets on {name}"),
        "Description": "Reads and writes secrets; neither settings of the vault nor keys nor certificates.",
        "IsCustom": true,
        "Actions": [],
        "NotActions": [],
        "DataActions": ACTIONS,
        "NotDataActions": [],
        "AssignableScopes": [scope],
    });
    format!("{role:#}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_role_names_the_vault_and_no_more() {
        let role: Value =
            serde_json::from_str(&least(&Url::parse("https://shop.vault.azure.net").unwrap())).unwrap();
        assert!(role["AssignableScopes"][0].as_str().unwrap().ends_with("/vaults/shop"));
        assert_eq!(role["Actions"], json!([]));
        let text = role.to_string();
        assert!(!text.contains('*') && !text.contains("/keys/") && !text.contains("backup"));
    }
}
