//! The cases under `tests/cmd/`: one behaviour each, as it shows on a terminal, each in an installation of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn every_case_behaves_as_it_is_written() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut cases: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "trycmd"))
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut failed = Vec::new();
    for case in cases {
        let scratch = crate::support::Scratch::new();
        let home = scratch.home();
        let run = || {
            let tests = trycmd::TestCases::new();
            tests.env("SECRETS_HOME", home.to_str().unwrap()).env("USER", "tester");
            tests.insert_var("[HOME]", home.to_str().unwrap().to_owned()).unwrap();
            tests.case(&case);
            tests.run();
        };
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            failed.push(case.file_name().unwrap().to_owned());
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
