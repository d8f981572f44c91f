"""The compiler is named in three places, which must agree."""

import re
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Toolchain(unittest.TestCase):
    def test_image_and_counted_instructions_name_the_pinned_compiler(self):
        pinned = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        image = re.search(r"^FROM rust:([0-9.]+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        counted = tomllib.loads((ROOT / "benches/instructions/kept.toml").read_text())["compiler"]
        self.assertEqual(image.group(1), pinned)
        self.assertTrue(counted.startswith(f"rustc {pinned} "), counted)


if __name__ == "__main__":
    unittest.main()
