from pathlib import Path

import pytest

from ingest.planning.gate import DEFAULT_LIMITS, Rule
from ingest.settings import GATE_SETTINGS, INGEST_SETTINGS, IngestSettings
from retrieval.declared_setting import SettingsError
from tests.support.environments import RecordingEnvironment


def test_an_empty_value_means_the_default() -> None:
    empty = dict.fromkeys((setting.name for setting in (*INGEST_SETTINGS, *GATE_SETTINGS)), "")
    assert IngestSettings.from_environment(empty) == IngestSettings.from_environment({}) == IngestSettings()


def test_every_setting_is_read() -> None:
    environment = RecordingEnvironment(YT_API_KEY="key", EMBEDDINGS_DIR="/e", GATE_FEWER_VIDEOS="0.5")
    assert IngestSettings.from_environment(environment) == IngestSettings(
        youtube_key="key", embeddings_dir=Path("/e"), gate_limits={**DEFAULT_LIMITS, Rule.FEWER_VIDEOS: 0.5}
    )
    assert environment.names == {setting.name for setting in (*INGEST_SETTINGS, *GATE_SETTINGS)}


def test_off_disables_the_cache_of_embeddings() -> None:
    assert IngestSettings.from_environment({"EMBEDDINGS_DIR": "off"}).embeddings_dir is None


@pytest.mark.parametrize("value", ["-1", "ten", "nan", "inf", "10"])
def test_a_share_must_be_between_0_and_1(value: str) -> None:
    with pytest.raises(SettingsError, match=r"GATE_REPEATED_IDS is .* a share from 0 to 1"):
        IngestSettings.from_environment({"GATE_REPEATED_IDS": value})


def test_a_limit_in_videos_may_exceed_1() -> None:
    limits = IngestSettings.from_environment({"GATE_SHARED_TRANSCRIPTS": "10"}).gate_limits
    assert limits[Rule.SHARED_TRANSCRIPTS] == 10
    with pytest.raises(SettingsError, match=r"GATE_SHARED_TRANSCRIPTS is .* a number of videos"):
        IngestSettings.from_environment({"GATE_SHARED_TRANSCRIPTS": "inf"})


def test_a_misspelt_limit_is_an_error_and_another_programs_variable_is_not() -> None:
    with pytest.raises(SettingsError, match="Did you mean GATE_FEWER_VIDEOS"):
        IngestSettings.from_environment({"GATE_FEWER_VIDEO": "0.5"})
    IngestSettings.from_environment({"GATE_OF_HEAVEN": "open"})
