//! How faults begin.

use std::io;

use secrets_backend::conformance::disk::Event;

use super::super::fault::{Befalls, Fault, Phase};
use super::super::{REPLICAS, scene::Scene};
use super::{End, Inner, Weather};

impl Inner {
    /// What sets in at this phase now.
    pub(super) fn due(&mut self, phase: Phase) -> Vec<Fault> {
        let mut due = Vec::new();
        self.planned.retain_mut(|planned| {
            if planned.phase != phase {
                return true;
            }
            let is_due = planned.passes == 0;
            planned.passes = planned.passes.saturating_sub(1);
            if is_due {
                due.push(planned.fault);
            }
            !is_due
        });
        due
    }

    pub(super) fn begin(&mut self, fault: Fault, phase: Phase, installation: usize, scene: &Scene) {
        match fault.befalls() {
            Befalls::Disk => self.arrange(fault, phase, installation),
            Befalls::Process => self.befall(fault, phase, installation, scene),
            Befalls::Clock => {
                self.skew[installation] = if self.random.one_in(2) { YEAR } else { -YEAR };
                self.matrix.count(fault, phase);
            }
            _ => self.gather(fault, phase, installation),
        }
    }

    fn gather(&mut self, fault: Fault, phase: Phase, installation: usize) {
        // Mostly there where something is about to happen.
        let replica = match phase {
            Phase::Replication => (self.primary + 1 + self.random.below(REPLICAS - 1)) % REPLICAS,
            _ if self.random.one_in(3) => self.random.below(REPLICAS),
            _ => self.primary,
        };
        let installation = (fault == Fault::Partition).then_some(installation);
        let calls = 1 + self.random.below(5);
        self.weather.push(Weather { fault, phase, replica, installation, calls, has_struck: false });
    }

    fn arrange(&mut self, fault: Fault, phase: Phase, installation: usize) {
        let disks = &self.disks[installation];
        let disk = match phase {
            Phase::HeaderWrite => &disks.header,
            Phase::AuditAppend => &disks.audit,
            _ if self.random.one_in(3) => &disks.audit,
            _ => &disks.state,
        };
        let event = match fault {
            Fault::NoSpace => Event::WriteFails(io::ErrorKind::StorageFull),
            Fault::WriteError => Event::WriteFails(io::ErrorKind::Other),
            Fault::SyncError => Event::SyncFails(io::ErrorKind::Other),
            Fault::TornWrite => Event::Death,
            Fault::LyingSync => {
                self.lying[installation] = true;
                return self.matrix.count(fault, phase);
            }
            _ => {
                self.read_only[installation] = 4;
                return self.matrix.count(fault, phase);
            }
        };
        disk.arrange(0, event);
        self.arranged.push((disk.clone(), fault, phase));
    }

    fn befall(&mut self, fault: Fault, phase: Phase, installation: usize, scene: &Scene) {
        self.matrix.count(fault, phase);
        match fault {
            Fault::SecondProcess => scene.second[installation].notify_one(),
            Fault::Kill => self.ends[installation] = Some(End::Kill),
            Fault::FileGone => self.ends[installation] = Some(End::FileGone),
            _ => self.ends[installation] = Some(End::OldFile),
        }
    }
}

const YEAR: i64 = 365 * 24 * 3_600 * 1_000;
