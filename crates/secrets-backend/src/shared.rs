//! Pointers to a backend are backends: topologies are built at run time, wrappers take any of them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Capabilities, NewSecret, Page, PageToken, PutMode, Result, Secret, SecretBackend, SecretPath, VersionId,
    VersionMeta, Written,
};

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        impl<B: SecretBackend + ?Sized> SecretBackend for $pointer<B> {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            async fn check(&self) -> Result<()> {
                (**self).check().await
            }

            async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
                (**self).get(path, at).await
            }

            async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
                (**self).get_many(paths).await
            }

            async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
                (**self).put(path, secret, mode).await
            }

            async fn delete(&self, path: &SecretPath) -> Result<Written> {
                (**self).delete(path).await
            }

            async fn undelete(&self, path: &SecretPath) -> Result<Written> {
                (**self).undelete(path).await
            }

            async fn purge(&self, path: &SecretPath) -> Result<Written> {
                (**self).purge(path).await
            }

            async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
                (**self).versions(path).await
            }

            async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
                (**self).list(prefix, page).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
