"""A parsed scrape of Prometheus metrics."""

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the sample with this name and exactly these labels, or None."""
        found = [each.value for each in self.samples if each.name == name and each.labels == labels]
        assert len(found) <= 1
        return found[0] if found else None

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and at least these labels."""
        return sum(
            each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items()
        )

    def label_values(self) -> set[str]:
        return {value for sample in self.samples for value in sample.labels.values()}
