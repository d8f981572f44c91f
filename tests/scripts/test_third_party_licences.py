"""scripts/third_party_licences.py: which crates are covered, by which texts, and that none is left out silently."""

import contextlib
import io
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import third_party_licences as licences


class ThirdPartyLicences(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def package(self, name: str, files: dict[str, str], repository: str | None = None) -> dict:
        for path, text in files.items():
            target = self.root / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return {
            "id": name,
            "name": name,
            "version": "1.0.0",
            "license": "MIT",
            "source": "registry",
            "repository": repository,
            "manifest_path": str(self.root / name / "Cargo.toml"),
        }

    def test_only_what_is_linked_counts(self):
        packages = [self.package(name, {}) for name in ("app", "near", "far", "build", "test", *licences.EMBEDDED)]
        packages[0]["source"] = None
        edges = {"app": [("near", None), ("build", "build"), ("test", "dev"), (*licences.EMBEDDED, "build")], "near": [("far", None)]}
        nodes = [
            {
                "id": package["id"],
                "deps": [{"pkg": to, "dep_kinds": [{"kind": kind}]} for to, kind in edges.get(package["id"], [])],
            }
            for package in packages
        ]
        metadata = {"packages": packages, "resolve": {"root": "app", "nodes": nodes}}
        self.assertEqual([package["name"] for package in licences.linked(metadata)], ["far", "near", *licences.EMBEDDED])

    def test_nested_texts_are_found_and_code_is_not(self):
        files = {"LICENSE-MIT": "mit", "third_party/c/COPYING": "c", "src/license.rs": "fn licence() {}", "README.md": "x"}
        self.package("a", files)
        self.assertEqual(licences.texts(self.root / "a"), ["mit", "c"])

    def test_texts_in_archives_are_found(self):
        self.package("a", {"LICENSE": "own"})
        with zipfile.ZipFile(self.root / "a" / "pages.zip", "w") as archive:
            archive.writestr("pages/LICENSE", "embedded")
            archive.writestr("pages/index.js", "code")
        self.assertEqual(licences.texts(self.root / "a"), ["own", "embedded"])

    def test_equal_texts_stand_once_with_all_their_crates(self):
        packages = [self.package("a", {"LICENSE": "same\n"}), self.package("b", {"LICENSE": "same"})]
        covered, missing = licences.collect(packages)
        self.assertEqual((list(covered), missing), (["same"], []))
        text = licences.render(covered)
        self.assertIn("a 1.0.0, b 1.0.0", text)
        self.assertIn("b 1.0.0: MIT", text)

    def test_a_crate_without_a_text_has_that_of_its_repository_or_is_missing(self):
        whole = self.package("a", {"LICENSE": "text"}, "https://example.com/one.git")
        bare = self.package("b", {}, "https://example.com/one")
        alone = self.package("c", {}, "https://example.com/other")
        unknown = self.package("d", {})
        covered, missing = licences.collect([whole, bare, alone, unknown])
        self.assertEqual([package["name"] for package in covered["text"]], ["a", "b"])
        self.assertEqual([package["name"] for package in missing], ["c", "d"])

    def test_the_output_must_be_named(self):
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            self.assertEqual(licences.main([]), 2)
        self.assertIn("usage:", error.getvalue())


if __name__ == "__main__":
    unittest.main()
