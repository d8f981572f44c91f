"""scripts/msrv.py: which dependencies count, and when a claim is broken."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import msrv


def metadata(claims: dict[str, str | None], edges: list[tuple[str, str, str | None]]) -> dict:
    """What `cargo metadata` prints, reduced to what is read; the package `app` is the workspace."""
    nodes = [
        {
            "id": name,
            "deps": [
                {"pkg": to, "dep_kinds": [{"kind": kind, "target": None}]} for source, to, kind in edges if source == name
            ],
        }
        for name in claims
    ]
    packages = [{"id": name, "name": name, "version": "1.0.0", "rust_version": claim} for name, claim in claims.items()]
    return {"packages": packages, "workspace_members": ["app"], "resolve": {"nodes": nodes}}


class Msrv(unittest.TestCase):
    def test_a_patch_number_of_zero_changes_nothing(self):
        self.assertEqual(msrv.version("1.92"), msrv.version("1.92.0"))
        self.assertLess(msrv.version("1.9"), msrv.version("1.10"))

    def test_an_indirect_dependency_that_needs_more_is_named(self):
        found = msrv.problems(
            metadata({"app": "1.92", "near": "1.80", "far": "1.95"}, [("app", "near", None), ("near", "far", "build")])
        )
        self.assertEqual(found, ["app claims Rust 1.92, but far 1.0.0 needs 1.95"])

    def test_dependencies_of_tests_and_without_a_claim_are_no_problem(self):
        found = msrv.problems(metadata({"app": "1.92", "bench": "1.95", "old": None}, [("app", "bench", "dev"), ("app", "old", None)]))
        self.assertEqual(found, [])

    def test_a_package_of_ours_must_claim_something(self):
        self.assertEqual(msrv.problems(metadata({"app": None}, [])), ["app states no rust-version"])


if __name__ == "__main__":
    unittest.main()
