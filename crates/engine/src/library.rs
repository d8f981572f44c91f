//! Where ONNX Runtime's shared library may lie.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

/// Finds ONNX Runtime's shared library.
///
/// A path that is given is the only one searched: first `explicit` (a file, or a folder that contains the library),
/// then `ORT_DYLIB_PATH`. If neither is set, the usual places are searched: beside the running binary, `onnxruntime/`
/// in the binary's `target` folder, and `target/onnxruntime/` in the working directory.
pub fn find_library(explicit: Option<&Path>) -> Option<PathBuf> {
    let binary = env::current_exe().ok();
    let directory = env::current_dir().ok();
    find(
        explicit,
        env::var_os("ORT_DYLIB_PATH"),
        &places(binary.as_deref(), directory.as_deref()),
    )
}

fn find(
    explicit: Option<&Path>,
    variable: Option<OsString>,
    places: &[PathBuf],
) -> Option<PathBuf> {
    let variable = variable
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    match explicit.map(Path::to_path_buf).or(variable) {
        Some(path) if path.is_dir() => in_folder(&path),
        Some(path) => path.is_file().then_some(path),
        None => places.iter().find_map(|folder| in_folder(folder)),
    }
}

fn places(binary: Option<&Path>, directory: Option<&Path>) -> Vec<PathBuf> {
    let beside = binary.and_then(Path::parent).map(Path::to_path_buf);
    let targets = binary
        .into_iter()
        .flat_map(Path::ancestors)
        .filter(|path| path.ends_with("target"));
    let built = targets.map(|target| target.join("onnxruntime"));
    let here = directory.map(|directory| directory.join("target/onnxruntime"));
    beside.into_iter().chain(built).chain(here).collect()
}

/// The library in `folder`; of several versions the last by name.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    files
        .filter(|path| path.file_name().is_some_and(is_library) && path.is_file())
        .max()
}

/// `libonnxruntime.so`, `.so.1.31.1`, `.dylib`, `.1.31.1.dylib`, `onnxruntime.dll`; not its provider libraries.
fn is_library(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    match name.strip_prefix("libonnxruntime.") {
        Some(rest) => rest == "so" || rest.starts_with("so.") || rest.ends_with("dylib"),
        None => name == "onnxruntime.dll",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of empty files that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[&str]) -> Self {
            let path =
                env::temp_dir().join(format!("stillhouse-library-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            for file in files {
                fs::write(path.join(file), "").unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_named_place_alone_is_looked_at() {
        let one = Folder::with(
            "one",
            &[
                "libonnxruntime.so.1.31.1",
                "libonnxruntime_providers_shared.so",
            ],
        );
        let two = Folder::with("two", &["libonnxruntime.so"]);
        let none = Folder::with("none", &["libonnxruntime_providers_cuda.so", "libother.so"]);
        let (in_one, in_two) = (
            one.0.join("libonnxruntime.so.1.31.1"),
            two.0.join("libonnxruntime.so"),
        );
        let places = [none.0.clone(), two.0.clone(), one.0.clone()];
        let check = |explicit: Option<&Path>, variable: Option<&Path>, right: Option<&PathBuf>| {
            let variable = variable.map(|path| path.as_os_str().to_owned());
            assert_eq!(
                find(explicit, variable, &places).as_ref(),
                right,
                "{explicit:?}"
            );
        };
        check(Some(&in_one), Some(&in_two), Some(&in_one));
        check(Some(&one.0), None, Some(&in_one));
        check(Some(&none.0), None, None);
        check(
            Some(Path::new("/nowhere/libonnxruntime.so")),
            Some(&in_two),
            None,
        );
        check(None, Some(&in_one), Some(&in_one));
        check(None, Some(Path::new("/nowhere")), None);
        check(None, Some(Path::new("")), Some(&in_two));
        check(None, None, Some(&in_two));
        assert_eq!(find(None, None, &places[..1]), None);
    }

    #[test]
    fn the_newest_of_several_is_taken() {
        let many = Folder::with(
            "many",
            &[
                "libonnxruntime.so.1.30.0",
                "libonnxruntime.so.1.31.1",
                "readme",
            ],
        );
        assert_eq!(
            find(Some(&many.0), None, &[]),
            Some(many.0.join("libonnxruntime.so.1.31.1"))
        );
    }

    #[test]
    fn a_binary_in_a_build_tree_finds_the_tree() {
        let binary = Path::new("/src/house/target/debug/deps/tests-1");
        let right: Vec<PathBuf> = [
            "/src/house/target/debug/deps",
            "/src/house/target/onnxruntime",
            "/tmp/target/onnxruntime",
        ]
        .map(PathBuf::from)
        .to_vec();
        assert_eq!(places(Some(binary), Some(Path::new("/tmp"))), right);
        assert_eq!(
            places(Some(Path::new("/usr/bin/stillhouse")), None),
            [PathBuf::from("/usr/bin")]
        );
    }

    #[test]
    fn libraries_are_known_by_their_names() {
        let right = [
            "libonnxruntime.so",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime.1.31.1.dylib",
            "onnxruntime.dll",
        ];
        let wrong = [
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.txt",
            "onnxruntime.so",
            "libonnx.so",
        ];
        assert!(right.iter().all(|name| is_library(OsStr::new(name))));
        assert!(!wrong.iter().any(|name| is_library(OsStr::new(name))));
    }
}
