//! Reading: values, histories, listings.

use azure_security_keyvault_secrets::models::{Secret as Bundle, SecretProperties};
use secrets_backend::{Listed, Page, PageToken, Secret, SecretPath, Stamp, VersionId, VersionMeta};

use crate::api::{self, Api, Next, timestamp};
use crate::failure::{Effect, Failure};
use crate::names::{self, Name};
use crate::{labels, value};

/// A history ends: no secret has more than 10,000 versions that anybody looks at.
const MAX_PARTS: usize = 400;
/// REST reference, "Get Secret Versions": maxresults.
const LARGEST_PART: u8 = 25;

/// The current version, or the one of an id.
pub(crate) async fn get(api: &Api, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret, Failure> {
    let name = Name::of(path)?;
    // No version has another form, and it would become part of an address.
    if at.is_some_and(|id| !api::is_version(id.as_str())) {
        return Err(Failure::missing());
    }
    let Bundle { value, id, content_type, attributes, tags, .. } =
        api.get(&name, at.map(VersionId::as_str)).await?;
    let version = api::version_of(&name, id.as_deref())?;
    if at.is_some_and(|at| !at.as_str().eq_ignore_ascii_case(&version)) {
        return Err(Failure::elsewhere());
    }
    let text = value.ok_or_else(|| Failure::damaged(Effect::None))?;
    let value = value::read(text, labels::is_sealed(tags.as_ref()), content_type.as_deref());
    let mut secret = Secret::new(VersionId::new(version), value);
    secret.created = timestamp(attributes.as_ref().and_then(|found| found.created));
    secret.stamp = labels::stamp(tags.as_ref());
    secret.metadata = labels::metadata(content_type, attributes.as_ref(), tags);
    Ok(secret)
}

/// The versions of a secret, oldest first.
pub(crate) async fn versions(api: &Api, path: &SecretPath) -> Result<Vec<VersionMeta>, Failure> {
    let name = Name::of(path)?;
    let mut found = history(api, &name).await?;
    // Times have seconds. Within one, sealed versions are in the order of their numbers, then all in that of
    // our writes.
    found.sort_by_cached_key(|item| {
        let created = item.attributes.as_ref().and_then(|found| found.created);
        let number = labels::stamp(item.tags.as_ref()).map(|stamp| stamp.version);
        let order = labels::order(item.tags.as_ref()).map(str::to_owned);
        (created, number, order, item.id.clone())
    });
    let metas: Result<Vec<VersionMeta>, Failure> = found.iter().map(|item| meta(&name, item)).collect();
    metas.and_then(|metas| if metas.is_empty() { Err(Failure::missing()) } else { Ok(metas) })
}

async fn history(api: &Api, name: &Name) -> Result<Vec<SecretProperties>, Failure> {
    let (mut items, mut next): (_, Option<Next>) = (Vec::new(), None);
    for _ in 0..MAX_PARTS {
        let part = api.versions(name, next.as_ref(), LARGEST_PART).await?.ok_or_else(Failure::missing)?;
        items.extend(part.items);
        match part.next {
            Some(token) if Some(&token) != next.as_ref() => next = Some(token),
            Some(_) => return Err(Failure::damaged(Effect::None)),
            None => return Ok(items),
        }
    }
    Err(Failure::damaged(Effect::None))
}

/// The version that has this very stamp; none where the secret has none such, or is not there.
pub(crate) async fn version_with(api: &Api, name: &Name, stamp: &Stamp) -> Result<Option<String>, Failure> {
    let items = history(api, name).await?;
    let ours = items.iter().find(|item| labels::stamp(item.tags.as_ref()).as_ref() == Some(stamp));
    ours.map(|item| api::version_of(name, item.id.as_deref())).transpose()
}

fn meta(name: &Name, item: &SecretProperties) -> Result<VersionMeta, Failure> {
    let mut meta = VersionMeta::new(VersionId::new(api::version_of(name, item.id.as_deref())?));
    meta.created = timestamp(item.attributes.as_ref().and_then(|found| found.created));
    meta.stamp = labels::stamp(item.tags.as_ref());
    Ok(meta)
}

/// One page of a listing. The service has no filter, so that it may be short, or empty.
pub(crate) async fn list(
    api: &Api,
    prefix: Option<&SecretPath>,
    page: Option<&PageToken>,
) -> Result<Page, Failure> {
    let not_ours = || Failure::invalid("a page token that is none of this vault");
    let from = page.map(|token| Next::read(token.as_str(), &api.vault).ok_or_else(not_ours)).transpose()?;
    let part = api.list(from.as_ref(), api.config.page_size).await?;
    if part.next.is_some() && part.next == from {
        return Err(Failure::damaged(Effect::None));
    }
    let items = part.items.into_iter().filter_map(listed);
    let under = |line: &Listed| prefix.is_none_or(|prefix| line.path.is_under(prefix));
    Ok(Page::new(items.filter(under).collect(), part.next.map(|next| PageToken::new(next.as_str()))))
}

/// The line of a secret; none for one whose name is no path, or that belongs to a certificate.
fn listed(item: SecretProperties) -> Option<Listed> {
    if item.managed == Some(true) {
        return None;
    }
    let mut line = Listed::new(names::path(&api::name_of(item.id.as_deref()?)?)?);
    line.updated = timestamp(item.attributes.as_ref().and_then(|found| found.created));
    line.stamp = labels::stamp(item.tags.as_ref());
    Some(line)
}
