"""Postgres as the settings name it: read, or refused without showing the password; its driver may be missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from crm_platform.defs.dagster_home import config_for, packaged_config, require_storage
from crm_platform.errors import FixConfiguration
from crm_platform.settings import load_settings
from crm_platform.warehouse import FileLeases, leases_of
from crm_platform.warehouse.postgres import place

URL = "postgresql://crm:hunter2%40@db.example.com:6432/crm"
NAMES = ["dagster_postgres_url", "coordination_url"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace("postgresql", "postgres"),
        f"{URL}?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://crm@[::1]/crm",
    ],
)
def test_an_address_is_kept_as_it_is_written(name, url):
    settings = load_settings(**{name: url})
    assert getattr(settings, name).get_secret_value() == url
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "url",
    [
        "mysql://crm:hunter2@host/crm",
        "postgresql+psycopg2://crm:hunter2@host/crm",
        "postgresql://crm:hunter2@host",
        "postgresql://crm:hunter2@host/",
        "postgresql://crm:hunter2@host/crm/more",
        "postgresql://host/crm",
        "postgresql://crm:hunter2@/crm",
        "postgresql://crm:hunter2@host/crm?application_name=x",
        "postgresql://crm:hunter2@host/crm#x",
        "postgresql://crm:hunter2@host:0/crm",
        "host=host password=hunter2",
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(name, url):
    with pytest.raises(FixConfiguration, match=f"^CRM_{name.upper()}: [^\n]+$") as refused:
        load_settings(**{name: url})
    assert "hunter2" not in str(refused.value)


def test_a_place_says_no_user_and_no_password():
    assert place(load_settings(coordination_url=URL).coordination_url) == "db.example.com:6432/crm"
    assert place(load_settings(coordination_url="postgresql://u:p@h/d").coordination_url) == "h:5432/d"


def test_without_its_driver_it_is_told_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    settings = load_settings(data_dir=tmp_path, dagster_postgres_url=URL, coordination_url=URL)
    with pytest.raises(FixConfiguration, match=r"CRM_DAGSTER_POSTGRES_URL names Postgres.*run `make setup-scale`"):
        require_storage(settings)
    with pytest.raises(FixConfiguration, match=r"CRM_COORDINATION_URL names Postgres.*run `make setup-scale`"):
        leases_of(settings).next_epoch()


def test_the_storage_s_configuration_names_the_variable_and_nothing_else(tmp_path):
    plain = load_settings(data_dir=tmp_path)
    assert config_for(plain) == packaged_config()
    assert isinstance(leases_of(plain), FileLeases)
    (tmp_path / "secret").write_text(URL, encoding="utf-8")
    for given, config in (
        ({"dagster_postgres_url": URL}, {"url": {"env": "CRM_DAGSTER_POSTGRES_URL"}}),
        ({"dagster_postgres_url_file": tmp_path / "secret"}, {"url_file": {"env": "CRM_DAGSTER_POSTGRES_URL_FILE"}}),
    ):
        text = config_for(load_settings(data_dir=Path(tmp_path), **given))
        assert text.startswith(packaged_config())
        assert yaml.safe_load(text)["storage"]["custom"]["config"] == config
        assert "hunter2" not in text
