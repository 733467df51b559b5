//! What two keyrings must have in common to be merged, and how much they may hold together.

use super::*;

/// All that a new keyring is made from.
#[derive(Clone)]
struct Parts {
    tenant: TenantId,
    name: &'static str,
    now_ms: u64,
    /// The id and the key of the tenant root key, the index and the detail key, the id and the key of the epoch.
    random: [Vec<u8>; 6],
}

fn parts() -> Parts {
    let random = [vec![0, 0, 0, 1], vec![1; 32], vec![2; 32], vec![3; 32], vec![0, 0, 0, 4], vec![5; 32]];
    Parts { tenant: TENANT, name: "tenant", now_ms: 1000, random }
}

impl Parts {
    fn keyring(&self) -> Keyring {
        let random = self.random.each_ref().map(Vec::as_slice);
        let mut rng = Script::new(&random);
        Keyring::create(SAFE, self.tenant, self.name, self.now_ms, Suite::Aes256Gcm, &mut rng).unwrap()
    }
}

#[test]
fn keyrings_that_differ_in_one_thing_that_must_be_the_same_do_not_merge() {
    let other_tenant = Parts { tenant: TenantId::from_bytes([9; 16]), ..parts() };
    let other_time = Parts { now_ms: 1001, ..parts() };
    let other_key = |place: usize| {
        let mut other = parts();
        other.random[place] = vec![9; 32];
        other
    };
    for other in [other_tenant, other_time, other_key(1), other_key(2), other_key(3), other_key(5)] {
        assert_eq!(parts().keyring().merge(other.keyring()), Err(Error::ForeignTenant));
    }
    assert_eq!(parts().keyring().merge(parts().keyring()), Ok(()));
}

#[test]
fn of_two_names_the_first_in_order_stays_whichever_side_merges() {
    let named = |name| Parts { name, ..parts() }.keyring();
    for (ours, theirs) in [("a", "b"), ("b", "a")] {
        let mut keyring = named(ours);
        keyring.merge(named(theirs)).unwrap();
        assert_eq!(keyring.name(), "a");
    }
}

#[test]
fn merging_fills_a_keyring_up_to_its_limits_and_no_further() {
    let mut base = keyring_of(30);
    let dead = base.active_epoch().unwrap();
    base.rotate(2000, &mut Counting(31)).unwrap();
    let with_epochs = |mut keyring: Keyring, more: usize, seed| {
        let mut rng = Counting(seed);
        for _ in 0..more {
            keyring.rotate(2000, &mut rng).unwrap();
        }
        keyring
    };
    let with_roots = |mut keyring: Keyring, more: usize, seed| {
        let mut rng = Counting(seed);
        (0..more).for_each(|_| keyring.destroy_epoch(dead, &mut rng).unwrap());
        keyring
    };
    let mut ours = with_epochs(copy(&mut base), 100, 32);
    let left = Keyring::MAX_EPOCHS - 102;
    assert_eq!(ours.merge(with_epochs(copy(&mut base), left + 1, 33)), Err(Error::Full("the keyring")));
    assert_eq!(ours.epochs().len(), 102, "nothing is changed");
    assert_eq!(ours.merge(with_epochs(copy(&mut base), left, 33)), Ok(()));
    assert_eq!(ours.epochs().len(), Keyring::MAX_EPOCHS);

    let mut ours = with_roots(copy(&mut base), 20, 34);
    let left = Keyring::MAX_ROOTS - 21;
    assert_eq!(ours.merge(with_roots(copy(&mut base), left + 1, 35)), Err(Error::Full("the keyring")));
    assert_eq!(ours.merge(with_roots(copy(&mut base), left, 35)), Ok(()));
}
