//! Every file of the corpus goes through its target, on every `cargo test`: inputs that once failed stay there.

use std::{fs, path::Path};

use stillhouse_fuzz::TARGETS;

#[test]
fn every_target_has_a_corpus_and_handles_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let files =
            fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut inputs = 0;
        for file in files {
            let path = file.expect("an entry").path();
            println!("{}", path.display());
            target(&fs::read(&path).expect("read"));
            inputs += 1;
        }
        assert!(inputs > 0, "corpus/{name} is empty");
    }
}
