//! What is done, by whom, and what goes wrong meanwhile: drawn from the seed.

use super::fault::{Fault, Phase};
use super::random::Random;
use super::scene::Planned;
use super::service::Ability;

/// What an installation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Put,
    Get,
    GetMany,
    Delete,
    Undelete,
    Purge,
    List,
    Drain,
    Sync,
    Promote,
    Rewrap,
    Header,
}

/// One operation, and maybe another at the same time by the other installation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) by: usize,
    pub(super) first: (Operation, usize),
    pub(super) beside: Option<(Operation, usize)>,
}

/// A schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) planned: Vec<Planned>,
    pub(super) turns: Vec<Turn>,
    pub(super) abilities: [Ability; super::REPLICAS],
}

impl Schedule {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        // Each pair comes first in its turn, and others as chance has it.
        let pairs = Fault::ALL.len() * Phase::ALL.len();
        let turn = usize::try_from(seed % pairs as u64).expect("a small number");
        let mut chosen = vec![turn];
        chosen.extend((0..=random.below(2)).map(|_| random.below(pairs)));
        let planned: Vec<Planned> = chosen.into_iter().map(|pair| planned(pair, &mut random)).collect();
        let turns = turns(&planned, &mut random);
        let third = *random.pick(&[Ability::All, Ability::Unconditional, Ability::Plain]);
        let first = if random.one_in(4) { Ability::Unconditional } else { Ability::All };
        Self { planned, turns, abilities: [first, Ability::All, third] }
    }
}

fn planned(pair: usize, random: &mut Random) -> Planned {
    let (fault, phase) = (Fault::ALL[pair / Phase::ALL.len()], Phase::ALL[pair % Phase::ALL.len()]);
    let is_common = needs(phase) == Operation::Put;
    let passes = if is_common { random.below(3) } else { 0 };
    Planned { fault, phase, passes }
}

/// What passes a phase.
const fn needs(phase: Phase) -> Operation {
    match phase {
        Phase::Rewrap => Operation::Rewrap,
        Phase::Promotion => Operation::Promote,
        Phase::Reconcile => Operation::Sync,
        Phase::HeaderWrite => Operation::Header,
        Phase::AuditAppend => Operation::Get,
        _ => Operation::Put,
    }
}

fn turns(planned: &[Planned], random: &mut Random) -> Vec<Turn> {
    let mut turns: Vec<Turn> = (0..super::OPERATIONS).map(|_| turn(random)).collect();
    turns[0].first.0 = Operation::Put;
    turns[1].first.0 = Operation::Put;
    let last = turns.len() - 1;
    turns[last - 1].first.0 = Operation::List;
    turns[last].first.0 = Operation::Sync;
    for planned in planned {
        // Late enough that there is something, early enough that something follows.
        let at = 3 + random.below(super::OPERATIONS - 8);
        turns[at].first = (needs(planned.phase), turns[0].first.1);
    }
    turns
}

fn turn(random: &mut Random) -> Turn {
    let first = operation(random);
    let beside = operation(random);
    let is_alone = !random.one_in(4) || [first.0, beside.0].contains(&Operation::Promote);
    Turn { by: random.below(super::INSTALLATIONS), first, beside: (!is_alone).then_some(beside) }
}

fn operation(random: &mut Random) -> (Operation, usize) {
    const COMMON: [Operation; 20] = [
        Operation::Put,
        Operation::Put,
        Operation::Put,
        Operation::Put,
        Operation::Put,
        Operation::Put,
        Operation::Get,
        Operation::Get,
        Operation::Get,
        Operation::Get,
        Operation::GetMany,
        Operation::Delete,
        Operation::Delete,
        Operation::Undelete,
        Operation::Purge,
        Operation::List,
        Operation::Drain,
        Operation::Sync,
        Operation::Rewrap,
        Operation::Header,
    ];
    (*random.pick(&COMMON), random.below(super::PATHS.len()))
}
