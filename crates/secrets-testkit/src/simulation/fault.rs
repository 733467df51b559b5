//! What goes wrong, and when.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "`name` says it")]
pub enum Fault {
    Refused,
    Hang,
    BadTls,
    Slow,
    Reset,
    AnswerLost,
    Unstored,
    Truncated,
    Drip,
    Throttled,
    ServerError,
    Expired,
    Missing,
    StaleRead,
    Duplicate,
    BitFlip,
    Swapped,
    ListOmits,
    ListRepeats,
    ListLoops,
    Partition,
    Clock,
    NoSpace,
    WriteError,
    SyncError,
    LyingSync,
    TornWrite,
    ReadOnly,
    FileGone,
    Kill,
    SecondProcess,
    OldFile,
}

/// When it sets in: at this point of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "`name` says it")]
pub enum Phase {
    BeforeJournal,
    AfterJournal,
    PrimaryPut,
    BeforeAnswer,
    Replication,
    Rewrap,
    Promotion,
    Reconcile,
    AuditAppend,
    HeaderWrite,
}

/// What a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Befalls {
    /// Every call to a service.
    Calls,
    /// Reading calls.
    Reads,
    /// Writing calls.
    Writes,
    /// Listings.
    Lists,
    /// The next write to a file.
    Disk,
    /// The process, at once.
    Process,
    /// The clock of a machine, at once.
    Clock,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::Refused,
        Self::Hang,
        Self::BadTls,
        Self::Slow,
        Self::Reset,
        Self::AnswerLost,
        Self::Unstored,
        Self::Truncated,
        Self::Drip,
        Self::Throttled,
        Self::ServerError,
        Self::Expired,
        Self::Missing,
        Self::StaleRead,
        Self::Duplicate,
        Self::BitFlip,
        Self::Swapped,
        Self::ListOmits,
        Self::ListRepeats,
        Self::ListLoops,
        Self::Partition,
        Self::Clock,
        Self::NoSpace,
        Self::WriteError,
        Self::SyncError,
        Self::LyingSync,
        Self::TornWrite,
        Self::ReadOnly,
        Self::FileGone,
        Self::Kill,
        Self::SecondProcess,
        Self::OldFile,
    ];

    /// What it is, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Hang => "hang",
            Self::BadTls => "bad TLS",
            Self::Slow => "5 s latency",
            Self::Reset => "reset mid-request",
            Self::AnswerLost => "answer lost after effect",
            Self::Unstored => "answered, not stored",
            Self::Truncated => "truncated body",
            Self::Drip => "drip",
            Self::Throttled => "429 with Retry-After",
            Self::ServerError => "5xx",
            Self::Expired => "expired credentials",
            Self::Missing => "404 for what exists",
            Self::StaleRead => "stale read",
            Self::Duplicate => "duplicate request",
            Self::BitFlip => "bit flip",
            Self::Swapped => "objects swapped",
            Self::ListOmits => "list omits",
            Self::ListRepeats => "list repeats",
            Self::ListLoops => "list loops",
            Self::Partition => "one-way partition",
            Self::Clock => "clock a year off",
            Self::NoSpace => "no space",
            Self::WriteError => "I/O error on write",
            Self::SyncError => "I/O error on fsync",
            Self::LyingSync => "lying fsync, power cut",
            Self::TornWrite => "torn write",
            Self::ReadOnly => "read-only file system",
            Self::FileGone => "file deleted",
            Self::Kill => "SIGKILL",
            Self::SecondProcess => "second process",
            Self::OldFile => "old file put back",
        }
    }

    pub(super) const fn befalls(self) -> Befalls {
        match self {
            Self::Missing | Self::StaleRead | Self::BitFlip | Self::Swapped => Befalls::Reads,
            Self::Duplicate | Self::Unstored => Befalls::Writes,
            Self::ListOmits | Self::ListRepeats | Self::ListLoops => Befalls::Lists,
            Self::Clock => Befalls::Clock,
            Self::NoSpace | Self::WriteError | Self::SyncError | Self::LyingSync | Self::TornWrite => {
                Befalls::Disk
            }
            Self::ReadOnly => Befalls::Disk,
            Self::FileGone | Self::Kill | Self::SecondProcess | Self::OldFile => Befalls::Process,
            _ => Befalls::Calls,
        }
    }
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BeforeJournal,
        Self::AfterJournal,
        Self::PrimaryPut,
        Self::BeforeAnswer,
        Self::Replication,
        Self::Rewrap,
        Self::Promotion,
        Self::Reconcile,
        Self::AuditAppend,
        Self::HeaderWrite,
    ];

    /// What it is, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeJournal => "before journal",
            Self::AfterJournal => "after journal",
            Self::PrimaryPut => "primary put",
            Self::BeforeAnswer => "before answer",
            Self::Replication => "replication",
            Self::Rewrap => "re-wrap",
            Self::Promotion => "promotion",
            Self::Reconcile => "reconcile",
            Self::AuditAppend => "audit append",
            Self::HeaderWrite => "header write",
        }
    }
}
