//! Deliberate faults, each caught by the conformance case that is named beside it.
//!
//! Every mutation is a memory with one thing wrong. The test requires that its case fails on the mutant and
//! passes on the same backend without the fault, so a case that always fails would not do.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![allow(clippy::disallowed_methods, reason = "`#[tokio::test]` expands to a runtime of the test's own")]

use std::fmt;
use std::sync::Mutex;

use secrets_backend::conformance::{CASES, Case, Target};
use secrets_backend::{
    Capabilities, Error, ErrorKind, Listed, MemoryBackend, MemoryConfig, Metadata, NewSecret, Operation,
    Page, PageToken, PutMode, Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written,
    async_trait,
};

/// Each line: the test's name, the fault, the case that must catch it.
macro_rules! mutations {
    ($($name:ident: $fault:ident => $case:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Fault { None, $($fault),* }

        $(#[tokio::test]
        async fn $name() {
            ensure_caught(Fault::$fault, stringify!($case)).await;
        })*
    };
}

mutations! {
    a_create_that_overwrites_is_caught: CreateOverwrites => create_twice_already_exists,
    a_create_that_checks_and_then_writes_is_caught: CreateInTwoSteps => of_concurrent_creates_one_wins,
    a_replace_that_ignores_the_version_is_caught: ReplaceIgnoresVersion => replace_of_a_stale_version_conflicts,
    a_replace_that_checks_and_then_writes_is_caught: ReplaceInTwoSteps => of_concurrent_replaces_one_wins_each_round,
    a_replace_that_creates_is_caught: ReplaceCreates => replace_of_a_missing_secret_conflicts,
    a_replace_that_always_conflicts_is_caught: ReplaceNever => replace_of_the_current_version_succeeds,
    a_listing_by_text_prefix_is_caught: ListByText => a_prefix_ends_at_a_segment,
    a_listing_that_repeats_on_its_second_page_is_caught: ListRepeats => a_listing_of_three_pages_shows_each_secret_once,
    a_listing_that_stops_after_a_page_is_caught: ListStops => a_listing_of_three_pages_shows_each_secret_once,
    a_listing_whose_pages_are_not_bounded_is_caught: ListUnbounded => a_listing_of_three_pages_shows_each_secret_once,
    a_listing_that_shows_deleted_secrets_is_caught: ListShowsDeleted => a_listing_leaves_deleted_secrets_out,
    a_listing_of_nothing_that_fails_is_caught: ListOfNothingFails => a_prefix_that_holds_nothing_is_an_empty_page,
    a_stale_read_is_caught: StaleRead => the_newest_value_is_read,
    a_delete_that_deletes_nothing_is_caught: DeleteDoesNothing => a_deleted_secret_is_gone_at_once,
    a_delete_that_takes_those_below_along_is_caught: DeleteTakesBelow => delete_touches_no_other_secret,
    a_delete_that_blocks_the_path_is_caught: DeleteBlocks => a_deleted_path_can_be_written_again_at_once,
    a_delete_of_nothing_that_succeeds_is_caught: DeleteOfNothing => a_missing_secret_is_not_found_by_every_method,
    an_undelete_of_the_wrong_bytes_is_caught: UndeleteOlder => undelete_brings_the_same_bytes_back,
    an_undelete_that_rolls_back_a_live_secret_is_caught: UndeleteOfLive => undelete_of_a_live_secret_changes_nothing,
    a_purge_that_leaves_versions_is_caught: PurgeLeavesVersions => a_purged_secret_cannot_be_brought_back,
    a_purge_that_can_be_undone_is_caught: PurgeIsDelete => a_purged_secret_cannot_be_brought_back,
    a_purge_that_misses_deleted_secrets_is_caught: PurgeMissesDeleted => a_deleted_secret_can_be_purged,
    a_truncated_value_is_caught: Truncates => the_largest_value_reads_back_whole,
    a_value_taken_for_text_is_caught: TextOnly => a_binary_value_reads_back_byte_for_byte,
    a_value_that_is_trimmed_is_caught: Trims => a_binary_value_reads_back_byte_for_byte,
    an_empty_value_taken_for_none_is_caught: EmptyIsMissing => an_empty_value_is_a_value,
    an_oversized_value_that_is_accepted_is_caught: Oversized => one_byte_over_the_limit_is_invalid_input_and_writes_nothing,
    a_value_refused_after_it_was_written_is_caught: RefusesTooLate => one_byte_over_the_limit_is_invalid_input_and_writes_nothing,
    dropped_metadata_is_caught: DropsMetadata => metadata_of_every_type_reads_back,
    metadata_that_is_cut_is_caught: CutsMetadata => metadata_is_kept_whole_or_refused,
    a_limit_below_the_portable_metadata_is_caught: FewTags => metadata_of_the_portable_size_reads_back,
    metadata_inherited_from_the_version_before_is_caught: InheritsMetadata => metadata_belongs_to_its_version,
    a_dropped_stamp_is_caught: DropsStamp => a_stamp_reads_back,
    paths_folded_to_lower_case_are_caught: FoldsCase => paths_that_look_alike_are_different_secrets,
    a_slash_mapped_to_a_dash_is_caught: SlashIsDash => paths_that_look_alike_are_different_secrets,
    a_lost_character_is_caught: LosesUnderscore => every_legal_character_of_a_path_is_kept,
    a_path_cut_to_length_is_caught: CutsPaths => the_longest_path_works,
    a_secret_hidden_by_those_below_it_is_caught: FolderHides => a_secret_lives_beside_the_secrets_below_it,
    a_batch_in_the_wrong_order_is_caught: BatchReversed => a_batch_answers_in_the_order_asked,
    a_batch_without_its_missing_ones_is_caught: BatchSkips => a_batch_answers_in_the_order_asked,
    a_batch_that_fails_as_a_whole_is_caught: BatchFailsWhole => a_batch_answers_in_the_order_asked,
    versions_in_the_wrong_order_are_caught: VersionsReversed => versions_are_in_the_order_of_their_writes,
    versions_without_times_are_caught: VersionsTimeless => versions_are_in_the_order_of_their_writes,
    an_old_version_that_gives_the_current_bytes_is_caught: OldIsNew => an_old_version_reads_back_by_id,
    a_missing_version_answered_by_the_current_one_is_caught: AnyVersion => a_missing_version_is_not_found,
    a_write_that_names_another_version_is_caught: WrongVersion => a_write_names_the_version_that_get_answers,
    absence_reported_as_unavailable_is_caught: MissingIsUnavailable => a_missing_secret_is_not_found_by_every_method,
    a_dropped_future_that_leaves_half_a_value_is_caught: HalfWrites => a_dropped_future_leaves_the_backend_usable,
    a_dropped_future_that_keeps_a_lock_is_caught: KeepsLock => a_dropped_future_leaves_the_backend_usable,
    an_error_without_its_path_is_caught: NamelessErrors => every_error_names_operation_and_path,
    an_error_of_another_operation_is_caught: WrongOperation => every_error_names_operation_and_path,
    a_debug_that_shows_a_value_is_caught: DebugLeaks => nothing_shows_a_planted_value,
    an_error_that_shows_a_value_is_caught: ErrorLeaks => nothing_shows_a_planted_value,
    a_cause_that_shows_a_value_in_hexadecimal_is_caught: CauseLeaks => nothing_shows_a_planted_value,
    a_check_that_fails_is_caught: CheckFails => check_succeeds,
    a_value_in_another_order_is_caught: ReversesValue => a_value_reads_back_as_written,
    a_limit_of_paths_that_is_not_kept_is_caught: NoPathLimit => a_path_over_the_limit_is_invalid_input,
    a_deleted_secret_in_the_way_of_create_is_caught: DeletedBlocksCreate => create_after_delete_succeeds,
    a_purged_version_that_comes_back_is_caught: PurgedComesBack => a_purged_path_can_be_written_again,
    a_listing_that_needs_a_prefix_is_caught: ListNeedsPrefix => a_listing_without_prefix_shows_every_secret,
    an_answer_to_an_empty_batch_is_caught: BatchOfNothing => an_empty_batch_has_no_answers,
}

#[test]
fn every_case_catches_a_mutation() {
    let source = include_str!("mutations.rs");
    let mut names = CASES.iter().map(|case| case.name);
    assert_eq!(names.find(|name| !source.contains(&format!("=> {name},"))), None);
}

#[tokio::test]
async fn every_case_but_an_empty_batch_fails_on_a_backend_that_does_nothing() {
    for case in CASES.iter().filter(|case| case.name != "an_empty_batch_has_no_answers") {
        assert!(case.run(target(Fault::CheckFails, true)).await.is_err(), "{}", case.name);
    }
}

async fn ensure_caught(fault: Fault, name: &str) {
    let case = CASES.iter().find(|case| case.name == name).expect("a case of that name");
    run(case, Fault::None).await.expect("the backend without the fault passes");
    let failure = run(case, fault).await.expect_err("the fault is caught");
    assert!(!failure.to_string().contains("planted-5ecre7-value"), "a failure shows no value");
}

async fn run(case: &Case, fault: Fault) -> Result<(), secrets_backend::conformance::Failure> {
    case.run(target(fault, false)).await
}

fn target(fault: Fault, dead: bool) -> Target {
    let mut config = MemoryConfig::default();
    config.page_size = 4;
    Target::new(Mutant { memory: MemoryBackend::with_config(config), fault, dead, ..Mutant::default() })
        .with_page_size(4)
        .with_deadline(std::time::Duration::from_millis(500))
}

/// A memory with one fault.
#[derive(Default)]
struct Mutant {
    memory: MemoryBackend,
    fault: Fault,
    /// Answers nothing but "bug".
    dead: bool,
    last_value: Mutex<String>,
    /// Paths that can no longer be used.
    blocked: Mutex<Vec<SecretPath>>,
}

impl Default for Fault {
    fn default() -> Self {
        Self::None
    }
}

impl Mutant {
    fn error(kind: ErrorKind, operation: Operation, path: &SecretPath) -> Error {
        Error::new(kind, operation, "mutant").with_path(path)
    }

    /// The name that a careless mapping would use.
    fn native(&self, path: &SecretPath) -> SecretPath {
        let text = path.as_str();
        let native = match self.fault {
            Fault::FoldsCase => text.to_lowercase(),
            Fault::SlashIsDash => text.replace('/', "-"),
            Fault::LosesUnderscore => text.replacen("_._", "_.", 1),
            Fault::CutsPaths => text.chars().take(127).collect(),
            _ => return path.clone(),
        };
        SecretPath::native(&native).expect("a name")
    }

    fn alive(&self, operation: Operation) -> Result<()> {
        if self.dead { Err(Error::new(ErrorKind::Unexpected, operation, "dead")) } else { Ok(()) }
    }

    /// What errors of a faulty backend look like.
    fn altered(&self, error: Error, path: &SecretPath) -> Error {
        let (kind, operation) = (error.kind(), error.operation());
        match self.fault {
            Fault::MissingIsUnavailable if kind == ErrorKind::NotFound => {
                Self::error(ErrorKind::Unavailable, operation, path)
            }
            Fault::NamelessErrors => Error::new(kind, operation, "mutant"),
            Fault::WrongOperation => Error::new(kind, Operation::Check, "mutant").with_path(path),
            Fault::ErrorLeaks => error.with_detail(self.last_value.lock().unwrap().clone()),
            Fault::CauseLeaks => {
                let hex: String =
                    self.last_value.lock().unwrap().bytes().map(|byte| format!("{byte:02x}")).collect();
                error.with_source(std::io::Error::other(hex))
            }
            _ => error,
        }
    }

    async fn put_in_two_steps(
        &self,
        path: &SecretPath,
        secret: &NewSecret,
        mode: &PutMode,
    ) -> Result<Written> {
        let current = self.memory.get(path, None).await.ok().map(|secret| secret.version);
        tokio::task::yield_now().await;
        match (mode, current) {
            (PutMode::Create, Some(_)) => Err(Self::error(ErrorKind::AlreadyExists, Operation::Put, path)),
            (PutMode::Replace(wanted), current) if current.as_ref() != Some(wanted) => {
                Err(Self::error(ErrorKind::Conflict, Operation::Put, path))
            }
            _ => self.memory.put(path, secret, &PutMode::Upsert).await,
        }
    }

    /// The secret as a faulty backend would store it.
    async fn stored(&self, path: &SecretPath, secret: &NewSecret) -> NewSecret {
        let mut value = secret.value.expose().to_vec();
        let mut metadata = secret.metadata.clone();
        let mut stamp = secret.stamp.clone();
        match self.fault {
            Fault::ReversesValue => value.reverse(),
            Fault::Truncates => value.truncate(1 << 19),
            Fault::TextOnly => value = String::from_utf8_lossy(&value).into_owned().into_bytes(),
            Fault::Trims => value = value.trim_ascii().to_vec(),
            Fault::Oversized => value.truncate(self.memory.capabilities().max_value),
            Fault::DropsMetadata => metadata.rotation = None,
            Fault::CutsMetadata => {
                if let Some(description) = &mut metadata.description {
                    description.truncate(2048);
                }
            }
            Fault::InheritsMetadata if metadata == Metadata::default() => {
                if let Ok(before) = self.memory.get(path, None).await {
                    metadata = before.metadata;
                }
            }
            Fault::DropsStamp => stamp = None,
            _ => {}
        }
        let new = NewSecret::new(value).with_metadata(metadata);
        match stamp {
            Some(stamp) => new.with_stamp(stamp),
            None => new,
        }
    }

    fn took_lock(&self, path: &SecretPath) -> bool {
        let mut blocked = self.blocked.lock().unwrap();
        let free = blocked.is_empty();
        if free {
            blocked.push(path.clone());
        }
        free
    }

    /// Where a dropped future does harm.
    async fn leave_room_for_a_drop(&self, path: &SecretPath, secret: &NewSecret) {
        let moment = std::time::Duration::from_millis(1);
        match self.fault {
            Fault::HalfWrites => {
                let half = NewSecret::new(&secret.value.expose()[..secret.value.len() / 2]);
                self.memory.put(path, &half, &PutMode::Upsert).await.expect("half a value");
                tokio::time::sleep(moment).await;
            }
            Fault::KeepsLock => {
                // Taken by hand and given back by hand: a future dropped in between never does.
                while !self.took_lock(path) {
                    tokio::time::sleep(moment).await;
                }
                tokio::time::sleep(moment).await;
                self.blocked.lock().unwrap().clear();
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutant");
        if self.fault == Fault::DebugLeaks {
            shown.field("last", &self.last_value.lock().unwrap().as_bytes());
        }
        shown.finish_non_exhaustive()
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mutant")
    }
}

#[async_trait]
impl SecretBackend for Mutant {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.memory.capabilities();
        if self.fault == Fault::NoPathLimit {
            capabilities.max_path = 120;
        }
        capabilities
    }

    async fn check(&self) -> Result<()> {
        match self.fault {
            Fault::CheckFails => Err(Error::new(ErrorKind::Unavailable, Operation::Check, "mutant")),
            _ => self.memory.check().await,
        }
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.alive(Operation::Get)?;
        let native = self.native(path);
        let below = self.memory.list(Some(&native), None).await?.items;
        let hidden = below.iter().any(|item| item.path != native);
        match (self.fault, at) {
            (Fault::FolderHides, _) if hidden => Err(Self::error(ErrorKind::NotFound, Operation::Get, path)),
            (Fault::StaleRead, None) => match self.memory.versions(path).await?.first() {
                Some(first) if below.iter().any(|item| item.path == native) => {
                    self.memory.get(path, Some(&first.id)).await
                }
                _ => self.memory.get(path, None).await,
            },
            (Fault::OldIsNew, Some(id)) => {
                let mut current = self.memory.get(&native, None).await?;
                current.version = id.clone();
                Ok(current)
            }
            (Fault::AnyVersion, Some(_)) => self.memory.get(&native, None).await,
            (Fault::PurgeLeavesVersions, Some(id)) if *id == VersionId::from_number(1) => {
                Ok(Secret::new(id.clone(), "first"))
            }
            (Fault::PurgedComesBack, Some(id)) if *id == VersionId::from_number(1) => {
                Ok(Secret::new(id.clone(), "old"))
            }
            (Fault::EmptyIsMissing, _) => match self.memory.get(&native, at).await {
                Ok(secret) if secret.value.is_empty() => {
                    Err(Self::error(ErrorKind::NotFound, Operation::Get, path))
                }
                answer => answer,
            },
            _ => {
                self.memory.get(&native, at).await.map_err(|error| self.altered(error.with_path(path), path))
            }
        }
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let mut answers = Vec::new();
        for path in paths {
            answers.push(self.get(path, None).await);
        }
        match self.fault {
            Fault::BatchReversed => answers.reverse(),
            Fault::BatchOfNothing if paths.is_empty() => {
                answers.push(Err(Error::new(ErrorKind::InvalidInput, Operation::Get, "mutant")));
            }
            Fault::BatchSkips => answers.retain(Result::is_ok),
            Fault::BatchFailsWhole if answers.iter().any(Result::is_err) => {
                let error = |path| Err(Self::error(ErrorKind::NotFound, Operation::Get, path));
                return paths.iter().map(error).collect();
            }
            _ => {}
        }
        answers
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.alive(Operation::Put)?;
        *self.last_value.lock().unwrap() = String::from_utf8_lossy(secret.value.expose()).into_owned();
        let native = self.native(path);
        let stored = self.stored(path, secret).await;
        let over = secret.value.len() > self.memory.capabilities().max_value;
        if matches!(self.fault, Fault::HalfWrites | Fault::KeepsLock) && !over {
            self.leave_room_for_a_drop(&native, &stored).await;
        }
        let blocked = self.fault == Fault::DeleteBlocks && self.blocked.lock().unwrap().contains(path);
        let written = match (self.fault, mode) {
            (Fault::DeleteBlocks, _) if blocked => {
                return Err(Self::error(ErrorKind::Conflict, Operation::Put, path));
            }
            (Fault::FewTags, _) if secret.metadata.tags.len() > 5 => {
                return Err(Self::error(ErrorKind::InvalidInput, Operation::Put, path));
            }
            (Fault::RefusesTooLate, _) if over => {
                let cut = NewSecret::new(&secret.value.expose()[..10]);
                self.memory.put(&native, &cut, &PutMode::Upsert).await?;
                return Err(Self::error(ErrorKind::InvalidInput, Operation::Put, path));
            }
            (Fault::CreateOverwrites, PutMode::Create)
            | (Fault::ReplaceIgnoresVersion | Fault::ReplaceCreates, PutMode::Replace(_)) => {
                self.memory.put(&native, &stored, &PutMode::Upsert).await
            }
            (Fault::DeletedBlocksCreate, PutMode::Create) if self.memory.versions(&native).await.is_ok() => {
                return Err(Self::error(ErrorKind::AlreadyExists, Operation::Put, path));
            }
            (Fault::ReplaceNever, PutMode::Replace(_)) => {
                return Err(Self::error(ErrorKind::Conflict, Operation::Put, path));
            }
            (Fault::CreateInTwoSteps, PutMode::Create) | (Fault::ReplaceInTwoSteps, PutMode::Replace(_)) => {
                self.put_in_two_steps(&native, &stored, mode).await
            }
            _ => self.memory.put(&native, &stored, mode).await,
        };
        let mut written = written.map_err(|error| self.altered(error.with_path(path), path))?;
        if self.fault == Fault::WrongVersion {
            written.version = Some(VersionId::new("latest"));
        }
        Ok(written)
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.alive(Operation::Delete)?;
        let native = self.native(path);
        match self.fault {
            Fault::DeleteDoesNothing => return Ok(Written::default()),
            Fault::DeleteOfNothing => {
                let _ = self.memory.delete(&native).await;
                return Ok(Written::default());
            }
            Fault::DeleteTakesBelow => {
                for item in self.memory.list(Some(&native), None).await?.items {
                    self.memory.delete(&item.path).await?;
                }
                return Ok(Written::default());
            }
            Fault::DeleteBlocks => self.blocked.lock().unwrap().push(path.clone()),
            _ => {}
        }
        self.memory.delete(&native).await.map_err(|error| self.altered(error.with_path(path), path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.alive(Operation::Undelete)?;
        let native = self.native(path);
        let versions = self.memory.versions(&native).await;
        let first = versions.ok().and_then(|metas| metas.into_iter().next());
        let older = match &first {
            Some(meta) => self.memory.get(&native, Some(&meta.id)).await.ok(),
            None => None,
        };
        match (self.fault, older) {
            (Fault::UndeleteOlder | Fault::UndeleteOfLive, Some(older)) => {
                let back = NewSecret::new(older.value.duplicate()).with_metadata(older.metadata);
                self.memory.put(&native, &back, &PutMode::Upsert).await
            }
            _ => {
                self.memory.undelete(&native).await.map_err(|error| self.altered(error.with_path(path), path))
            }
        }
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.alive(Operation::Purge)?;
        let native = self.native(path);
        match self.fault {
            Fault::PurgeIsDelete => self.memory.delete(&native).await,
            Fault::PurgeMissesDeleted => match self.memory.get(&native, None).await {
                Ok(_) => self.memory.purge(&native).await,
                Err(_) => Ok(Written::default()),
            },
            _ => self.memory.purge(&native).await.map_err(|error| self.altered(error.with_path(path), path)),
        }
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.alive(Operation::Versions)?;
        let native = self.native(path);
        let answer = self.memory.versions(&native).await;
        let mut metas = answer.map_err(|error| self.altered(error.with_path(path), path))?;
        match self.fault {
            Fault::VersionsReversed => metas.reverse(),
            Fault::VersionsTimeless => metas.iter_mut().for_each(|meta| meta.created = None),
            _ => {}
        }
        Ok(metas)
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.alive(Operation::List)?;
        match (self.fault, prefix) {
            (Fault::ListByText, Some(prefix)) => {
                let mut page = self.memory.list(None, page).await?;
                page.items.retain(|item| item.path.as_str().starts_with(prefix.as_str()));
                Ok(page)
            }
            (Fault::ListShowsDeleted, Some(prefix)) => {
                let mut listed = self.memory.list(Some(prefix), page).await?;
                for number in [0, 3] {
                    let path = format!("{prefix}/half-{number:05}").parse().expect("a path");
                    if page.is_none() && self.memory.versions(&path).await.is_ok() {
                        listed.items.push(Listed::new(path));
                    }
                }
                Ok(listed)
            }
            (Fault::ListNeedsPrefix, None) => Ok(Page::default()),
            (Fault::ListUnbounded, _) => {
                let mut whole = Page::default();
                let mut token = None;
                loop {
                    let page = self.memory.list(prefix, token.as_ref()).await?;
                    whole.items.extend(page.items);
                    token = page.next;
                    if token.is_none() {
                        return Ok(whole);
                    }
                }
            }
            (fault, _) => {
                let mut listed = self.memory.list(prefix, page).await?;
                match fault {
                    Fault::ListRepeats if page.is_some() => {
                        let first = self.memory.list(prefix, None).await?;
                        listed.items.pop();
                        listed.items.extend(first.items.into_iter().take(1));
                    }
                    Fault::ListStops => listed.next = None,
                    Fault::ListOfNothingFails if listed.items.is_empty() => {
                        let prefix = prefix.expect("a prefix");
                        return Err(Self::error(ErrorKind::NotFound, Operation::List, prefix));
                    }
                    _ => {}
                }
                Ok(listed)
            }
        }
    }
}
