"""Times, dates, latencies, languages and shortened texts as the pages show them. Pure."""

from datetime import datetime, timedelta
from functools import cache
from itertools import islice

from retrieval.catalogue.wording import counted
from retrieval.text.matching import ELLIPSIS

LONGEST_CHANNEL = 80
"""Characters of a channel's name that a page shows."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MOST_DAYS_AGO = 45
_INITIALS = 2


def clock(seconds: float) -> str:
    """Format a position in a video or its duration: `1:05`, `1:00:05`."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: datetime) -> str:
    """Format a date: `3 Sep 2022`."""
    return f"{moment.day} {moment:%b} {moment.year}"


def ago(then: datetime, now: datetime) -> str:
    """Format how long ago an event was: `5 minutes ago`, or its date if that is more than 45 days."""
    passed = max(timedelta(), now - then)
    seconds = passed.total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{counted(int(seconds // _MINUTE), 'minute')} ago"
    if seconds < _DAY:
        return f"{counted(int(seconds // _HOUR), 'hour')} ago"
    if passed.days > _MOST_DAYS_AGO:
        return f"on {day(then)}"
    return "yesterday" if passed.days == 1 else f"{passed.days} days ago"


def cut(text: str, longest: int) -> str:
    """Shorten a text to `longest` characters, plus an ellipsis if any were removed."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()}{ELLIPSIS}"


def initials(title: str) -> str:
    """Return the first letters of a title's first two words, for the placeholder of a thumbnail."""
    first = (next(filter(str.isalnum, word), "") for word in title.split())
    return "".join(islice(filter(None, first), _INITIALS)).upper()


def latency(seconds: float) -> str:
    """Format a latency with two significant digits: `4.2 ms`, `35 ms`, `120 ms`, `1.2 s`."""
    thousandths = float(f"{seconds * 1000:.2g}")
    return f"{thousandths:g} ms" if thousandths < 1000 else f"{thousandths / 1000:g} s"  # noqa: PLR2004


_NAMES = """
aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic|as Assamese|av Avaric
ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|bi Bislama|bm Bambara|bn Bengali|bo Tibetan
br Breton|bs Bosnian|ca Catalan|ce Chechen|ch Chamorro|co Corsican|cr Cree|cs Czech|cv Chuvash|cy Welsh
da Danish|de German|dv Divehi|dz Dzongkha
ee Ewe|el Greek|en English|eo Esperanto|es Spanish|et Estonian|eu Basque
fa Persian|ff Fulah|fi Finnish|fj Fijian|fo Faroese|fr French|fy Western Frisian|ga Irish|gd Scottish Gaelic
gl Galician|gn Guarani|gu Gujarati|gv Manx|ha Hausa|he Hebrew|hi Hindi|ho Hiri Motu|hr Croatian|ht Haitian
hu Hungarian|hy Armenian|hz Herero|ia Interlingua|id Indonesian|ie Interlingue|ig Igbo|ii Sichuan Yi
ik Inupiaq|io Ido|is Icelandic|it Italian|iu Inuktitut|ja Japanese|jv Javanese|ka Georgian|kg Kongo
ki Kikuyu|kj Kuanyama
kk Kazakh|kl Kalaallisut|km Khmer|kn Kannada|ko Korean|kr Kanuri|ks Kashmiri|ku Kurdish|kv Komi|kw Cornish
ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish|ln Lingala|lo Lao|lt Lithuanian|lu Luba-Katanga
lv Latvian|mg Malagasy|mh Marshallese|mi Maori|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay
mt Maltese|my Burmese|na Nauru|nb Norwegian Bokm\u00e5l|nd North Ndebele|ne Nepali|ng Ndonga|nl Dutch
nn Norwegian Nynorsk|no Norwegian|nr South Ndebele|nv Navajo|ny Chichewa|oc Occitan|oj Ojibwa|om Oromo|or Odia
os Ossetian|pa Punjabi|pi Pali|pl Polish|ps Pashto|pt Portuguese|qu Quechua|rm Romansh|rn Rundi|ro Romanian
ru Russian|rw Kinyarwanda|sa Sanskrit|sc Sardinian|sd Sindhi|se Northern Sami|sg Sango|si Sinhala|sk Slovak
sl Slovenian|sm Samoan|sn Shona|so Somali|sq Albanian|sr Serbian|ss Swati|st Southern Sotho|su Sundanese
sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik|th Thai|ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|to Tonga
tr Turkish|ts Tsonga|tt Tatar|tw Twi|ty Tahitian|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda
vi Vietnamese|vo Volap\u00fck|wa Walloon|wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|za Zhuang|zh Chinese|zu Zulu
"""


def language_code(tag: str | None) -> str | None:
    """Return the ISO 639-1 code of a language tag such as `de-AT`, or None if it has none."""
    code = (tag or "").partition("-")[0].lower()
    return code if code in _names() else None


def language_name(tag: str) -> str:
    """Return the name of a language: `German`, `German (de-AT)`, or the tag itself if it is unknown."""
    code = language_code(tag)
    if code is None:
        return tag
    return _names()[code] if tag == code else f"{_names()[code]} ({tag})"


@cache
def _names() -> dict[str, str]:
    entries = _NAMES.strip().replace("\n", "|").split("|")
    return {entry[:2]: entry[3:] for entry in entries}
