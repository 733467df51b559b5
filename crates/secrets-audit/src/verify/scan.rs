//! A strict scanner for payloads: accepts the one spelling of each entry, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Action, OpId, Outcome, Reason, TreeHash};

/// What the verifier needs of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) seq: u64,
    pub(super) prev: TreeHash,
    pub(super) op: OpId,
    pub(super) outcome: Outcome,
}

/// Scans a payload from its first byte to its last.
pub(super) fn scan(payload: &[u8]) -> Result<Scanned, Reason> {
    let mut rest = Scanner(payload);
    rest.expect(b"{\"v\":1,\"seq\":")?;
    let seq = rest.number()?;
    rest.expect(b",\"prev\":\"")?;
    let prev = TreeHash::from_bytes(rest.hexadecimal()?);
    rest.expect(b"\",\"ts\":")?;
    rest.number()?;
    rest.expect(b",\"boot\":\"")?;
    rest.token()?;
    if rest.skip(b",\"tenant\":\"") {
        rest.hexadecimal::<16>()?;
        rest.expect(b"\"")?;
    }
    if rest.skip(b",\"actor\":\"") {
        rest.token()?;
    }
    rest.expect(b",\"act\":\"")?;
    Action::from_name(rest.text()?).ok_or(Reason::UnknownName)?;
    if rest.skip(b",\"objs\":[") {
        rest.objects()?;
    }
    if rest.skip(b",\"pol\":\"") {
        rest.token()?;
    }
    rest.expect(b",\"op\":\"")?;
    let op = OpId::from_bytes(rest.hexadecimal()?);
    rest.expect(b"\",\"out\":\"")?;
    let outcome = Outcome::from_name(rest.text()?).ok_or(Reason::UnknownName)?;
    if rest.skip(b",\"code\":\"") {
        rest.token()?;
    }
    if rest.skip(b",\"det\":\"") {
        let detail = rest.text()?;
        if detail.is_empty() || STANDARD.decode(detail).is_err() {
            return Err(Reason::NotCanonical);
        }
    }
    if rest.0 == b"}" { Ok(Scanned { seq, prev, op, outcome }) } else { Err(Reason::NotCanonical) }
}

/// What is left of a payload.
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    fn skip(&mut self, literal: &[u8]) -> bool {
        let Some(rest) = self.0.strip_prefix(literal) else { return false };
        self.0 = rest;
        true
    }

    fn expect(&mut self, literal: &[u8]) -> Result<(), Reason> {
        if self.skip(literal) { Ok(()) } else { Err(Reason::NotCanonical) }
    }

    /// Everything up to a quote, which is passed. No text of the schema has an escape.
    fn text(&mut self) -> Result<&'a str, Reason> {
        let end = self.0.iter().position(|byte| *byte == b'"').ok_or(Reason::NotCanonical)?;
        let text = std::str::from_utf8(&self.0[..end]).map_err(|_| Reason::NotCanonical)?;
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    fn token(&mut self) -> Result<(), Reason> {
        let text = self.text()?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@=+-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(())
        } else {
            Err(Reason::NotCanonical)
        }
    }

    /// A decimal below 2^53 without a leading zero.
    fn number(&mut self) -> Result<u64, Reason> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        if length == 0 || length > 16 || (digits[0] == b'0' && length > 1) {
            return Err(Reason::NotCanonical);
        }
        self.0 = rest;
        let value = digits.iter().fold(0, |value: u64, digit| value * 10 + u64::from(digit - b'0'));
        if value < 1 << 53 { Ok(value) } else { Err(Reason::NotCanonical) }
    }

    fn hexadecimal<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (digits, rest) = self.0.split_at_checked(2 * N).ok_or(Reason::NotCanonical)?;
        self.0 = rest;
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = 16 * digit(pair[0])? + digit(pair[1])?;
        }
        Ok(bytes)
    }

    /// The objects after the opening bracket: at least one, or the field would be absent.
    fn objects(&mut self) -> Result<(), Reason> {
        loop {
            self.expect(b"[\"")?;
            self.hexadecimal::<16>()?;
            self.expect(b"\",")?;
            self.number()?;
            self.expect(b",\"")?;
            if !self.skip(b"\"") {
                self.hexadecimal::<32>()?;
                self.expect(b"\"")?;
            }
            self.expect(b"]")?;
            if self.skip(b"]") {
                return Ok(());
            }
            self.expect(b",")?;
        }
    }
}

fn digit(byte: u8) -> Result<u8, Reason> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(Reason::NotCanonical),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::Entry;
    use crate::{NewEntry, ObjectRef, Token};

    fn token() -> impl Strategy<Value = Token> {
        "[A-Za-z0-9._:/@=+-]{1,128}".prop_map(|text| text.parse().unwrap())
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just((1 << 53) - 1), 0..1_u64 << 53]
    }

    fn object() -> impl Strategy<Value = ObjectRef> {
        (any::<[u8; 16]>(), number(), any::<Option<[u8; 32]>>())
            .prop_map(|(object, version, content_id)| ObjectRef { object, version, content_id })
    }

    prop_compose! {
        fn entry()(
            ts_ms in number(),
            boot in token(),
            tenant in any::<Option<[u8; 16]>>(),
            actor in prop::option::of(token()),
            action in prop::sample::select(Action::ALL),
            objects in prop::collection::vec(object(), 0..4),
            policy in prop::option::of(token()),
            op in any::<[u8; 16]>().prop_map(OpId::from_bytes),
            outcome in prop::sample::select(Outcome::ALL),
            code in prop::option::of(token()),
            detail in prop::collection::vec(any::<u8>(), 0..40),
        ) -> NewEntry {
            NewEntry { ts_ms, boot, tenant, actor, action, objects, policy, op, outcome, code, detail }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_scanned_and_read_back(said in entry(), seq in number(), prev in any::<[u8; 32]>()) {
            let prev = TreeHash::from_bytes(prev);
            let payload = said.to_payload(seq, &prev).unwrap();
            let scanned = Scanned { seq, prev, op: said.op, outcome: said.outcome };
            prop_assert_eq!(scan(&payload), Ok(scanned));
            prop_assert_eq!(Entry::from_payload(&payload).unwrap(), Entry { seq, prev, said });
        }

        #[test]
        fn whatever_is_scanned_is_the_one_spelling_of_what_is_read(
            said in entry(), at in any::<prop::sample::Index>(), with in prop::sample::select(&b"0a\"\\{}[],: .-"[..]), insert in any::<bool>(),
        ) {
            let mut payload = said.to_payload(5, &TreeHash::ZERO).unwrap();
            let at = at.index(payload.len());
            if insert { payload.insert(at, with) } else { payload[at] = with }
            if scan(&payload).is_ok() {
                let read = Entry::from_payload(&payload).unwrap();
                prop_assert_eq!(read.said.to_payload(read.seq, &read.prev).unwrap(), payload);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(scan(&bytes).is_err());
        }
    }
}
