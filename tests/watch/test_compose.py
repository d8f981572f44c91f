"""compose.yaml is valid, pinned, private, and consistent with the files it mounts."""

import pathlib
import re
import subprocess
import sys
import unittest

from promql import ROOT, load

FILE = ROOT / "compose.yaml"


class Compose(unittest.TestCase):
    def setUp(self):
        self.services = load(FILE)["services"]

    def test_it_follows_the_specification(self):
        checker = pathlib.Path(sys.executable).with_name("check-jsonschema")
        command = [checker, "--builtin-schema", "vendor.compose-spec", FILE]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_images_are_pinned(self):
        for name, service in self.services.items():
            self.assertRegex(service["image"], r":v?\d+\.\d+\.\d+$", name)
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        self.assertEqual(self.services["stillhouse"]["image"], f"stillhouse:{version}")

    def test_only_this_machine_reaches_it(self):
        for name, service in self.services.items():
            for port in service["ports"]:
                self.assertRegex(port, r"^127\.0\.0\.1:\d+:\d+$", name)

    def test_the_admin_listener_has_a_token(self):
        environment = self.services["stillhouse"]["environment"]
        self.assertEqual(environment["STILLHOUSE__SERVER__ADMIN_LISTEN"], "0.0.0.0:8081")
        self.assertRegex(environment["STILLHOUSE_OPERATOR_TOKEN"], r"^\$\{STILLHOUSE_OPERATOR_TOKEN:\?")
        self.assertRegex(self.services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"], r"^\$\{\w+:\?")

    def test_each_is_asked_whether_it_is_well(self):
        for name, service in self.services.items():
            self.assertTrue(service["healthcheck"]["test"], name)
            for other, how in service.get("depends_on", {}).items():
                self.assertEqual(how["condition"], "service_healthy", f"{name} waits for {other}")

    def test_what_it_mounts_is_there(self):
        volumes = set(load(FILE)["volumes"])
        for name, service in self.services.items():
            for mount in service["volumes"]:
                source = mount.split(":")[0]
                self.assertTrue(source in volumes or (ROOT / source).is_dir(), f"{name}: {mount}")

    def test_prometheus_scrapes_the_service_by_its_name(self):
        (job,) = load(ROOT / "config/prometheus/prometheus.yml")["scrape_configs"]
        self.assertEqual(job["static_configs"], [{"targets": ["stillhouse:8081"]}])
        mounts = self.services["prometheus"]["volumes"]
        self.assertIn("./config/prometheus:/etc/prometheus:ro", mounts)
        (source,) = load(ROOT / "config/grafana/provisioning/datasources/prometheus.yml")["datasources"]
        self.assertEqual(source["url"], "http://prometheus:9090")


if __name__ == "__main__":
    unittest.main()
