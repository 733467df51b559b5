//! Cases about values: what goes in comes out, up to the limit.

use super::scratch::version_of;
use super::{Outcome, Scratch, ensure, ensure_kind};
use crate::{ErrorKind, NewSecret, PutMode};

/// What is written is what is read, under the version that the write named.
pub async fn a_value_reads_back_as_written(scratch: &Scratch) -> Outcome {
    let path = scratch.path("app/api-key")?;
    let written = scratch.put(&path, b"correct horse battery staple").await?;
    let secret = scratch.ensure_value(&path, b"correct horse battery staple", "after a put").await?;
    ensure(secret.version == version_of(&written)?, "get answers the version that put named")
}

/// No bytes are a value, not an absence.
pub async fn an_empty_value_is_a_value(scratch: &Scratch) -> Outcome {
    let path = scratch.path("empty")?;
    scratch.put(&path, b"").await?;
    scratch.ensure_value(&path, b"", "after a put of no bytes").await?;
    ensure(scratch.listed(Some(&path)).await? == [path], "a secret with an empty value is listed")
}

/// Values are bytes: all 256 of them, no text in any encoding, line ends and all.
pub async fn a_binary_value_reads_back_byte_for_byte(scratch: &Scratch) -> Outcome {
    let all: Vec<u8> = (0..=u8::MAX).cycle().take(1021).collect();
    let values: [(&str, &[u8]); 6] = [
        ("all-bytes", &all),
        ("nul", b"\0"),
        ("not-utf8", b"\xff\xfe\x80abc\xc3"),
        ("line-ends", b"a\r\nb\n\n"),
        ("spaces", b" \t padded \t "),
        ("looks-encoded", b"AAECAwQ="),
    ];
    for (name, value) in values {
        let path = scratch.path(name)?;
        scratch.put(&path, value).await?;
        scratch.ensure_value(&path, value, "after a put of bytes").await?;
    }
    Ok(())
}

/// A value of `max_value` bytes is stored whole.
pub async fn the_largest_value_reads_back_whole(scratch: &Scratch) -> Outcome {
    let path = scratch.path("largest")?;
    let value = patterned(scratch.capabilities().max_value);
    scratch.put(&path, &value).await?;
    scratch.ensure_value(&path, &value, "after a put of the largest value").await.map(drop)
}

/// One byte more is refused, and neither makes a secret nor changes one.
pub async fn one_byte_over_the_limit_is_invalid_input_and_writes_nothing(scratch: &Scratch) -> Outcome {
    let (fresh, taken) = (scratch.path("fresh")?, scratch.path("taken")?);
    let before = version_of(&scratch.put(&taken, b"before").await?)?;
    let value = patterned(scratch.capabilities().max_value.saturating_add(1));
    for path in [&fresh, &taken] {
        let answer = scratch.backend().put(path, &NewSecret::new(&*value), &PutMode::Upsert).await;
        ensure_kind(&answer, ErrorKind::InvalidInput, "put of one byte over the limit")?;
    }
    ensure_kind(&scratch.get(&fresh).await, ErrorKind::NotFound, "get after a refused put")?;
    let kept = scratch.ensure_value(&taken, b"before", "after a refused put").await?;
    ensure(kept.version == before, "a refused put makes no version")
}

/// A read sees the last write that was answered, of many.
pub async fn the_newest_value_is_read(scratch: &Scratch) -> Outcome {
    let path = scratch.path("changing")?;
    for round in 0..5 {
        let value = format!("value {round}");
        scratch.put(&path, value.as_bytes()).await?;
        scratch.ensure_value(&path, value.as_bytes(), "after a second put").await?;
    }
    Ok(())
}

/// Bytes without a period that a chunk size divides, so that swapped, lost and repeated parts show.
fn patterned(len: usize) -> Vec<u8> {
    let mut state: u32 = 0x9e37_79b9;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}
