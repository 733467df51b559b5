//! What a thread has left on its stack: looked for from outside, as a debugger would. The tests of the audit log include
//! this file too.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::mpsc;
use std::thread;

/// How many runs of eight bytes out of `secrets` are on the stack of a thread that did `work` and lives on.
pub(crate) fn left_behind(secrets: &[&[u8]], work: impl FnOnce() + Send) -> usize {
    let runs: HashSet<&[u8]> = secrets.iter().flat_map(|secret| secret.windows(RUN)).collect();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let body = move || {
            work();
            let here = 0_u8;
            tell.send((&raw const here).addr()).unwrap();
            let _ = ended.recv();
        };
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, body).unwrap();
        let stack = mapping(told.recv().unwrap());
        drop(end);
        stack.windows(RUN).filter(|run| runs.contains(run)).count()
    })
}

/// The content of the mapping of this process that an address is in.
fn mapping(address: usize) -> Vec<u8> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ranges = maps.lines().filter_map(|line| line.split_once(' ')?.0.split_once('-'));
    let mut ranges = ranges.map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16).unwrap()));
    let [from, to] = ranges.find(|[from, to]| (*from..*to).contains(&address)).unwrap();
    let mut bytes = Vec::with_capacity(to - from);
    let mut memory = fs::File::open("/proc/self/mem").unwrap();
    memory.seek(SeekFrom::Start(from as u64)).unwrap();
    memory.take((to - from) as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Long enough that none is there by chance.
const RUN: usize = 8;
/// Small, so that looking through it is quick.
const STACK: usize = 256 * 1024;
