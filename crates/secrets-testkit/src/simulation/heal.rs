//! What everybody does once nothing goes wrong any more; then all must be well.

use std::time::Duration;

use secrets_backend::SecretPath;

use secrets_multicloud::Journal;

use super::world::World;
use super::{INSTALLATIONS, PATHS, check};

/// Both installations drain and reconcile, a bounded number of times, decide what is in conflict, and read everything.
pub(super) async fn heal(world: &mut World) {
    world.shared.scene.clear();
    let mut is_done = false;
    for round in 0..ROUNDS {
        // Long enough that everybody is asked again.
        tokio::time::sleep(Duration::from_secs(10)).await;
        is_done = true;
        for process in &world.processes {
            is_done &= world.drain(process).await;
        }
        for process in &world.processes {
            is_done &= world.sync(process, round > 0).await;
        }
        if round > 0 {
            decide(world).await;
        }
        if is_done && round > 0 {
            break;
        }
    }
    if !is_done {
        world.shared.oracle.broke(6, "there is something left to do after healing");
    }
    for index in 0..INSTALLATIONS {
        for path in PATHS {
            let path: SecretPath = path.parse().expect("a path");
            read(world, index, &path).await;
        }
    }
}

/// What a person does about each conflict that was told.
async fn decide(world: &World) {
    for process in &world.processes {
        for path in world.shared.oracle.paths() {
            if process.state.is_flagged(&path) {
                check::is_conflict(world, &path);
                let decided = process.resolve(&path).await;
                world.shared.scene.tell(|| format!("{}: decided {path}: {decided:?}", process.index));
            }
        }
    }
}

/// Everything can be read.
async fn read(world: &World, index: usize, path: &SecretPath) {
    let answer = world.processes[index].get(path).await;
    if let Err(error) = answer {
        world
            .shared
            .oracle
            .broke(6, format!("{path}: installation {index} cannot read it after healing: {error}"));
    }
}

/// How often, at most: rows, then copies of what others wrote, then what came to light by that.
const ROUNDS: usize = 6;
