"""Names of languages, and comparison of their tags: `en`, `en-GB`, `EN_gb`, `zh-Hans` (pure).

A tag is BCP 47: a language, then optional script and region. Letter case is ignored, `_` counts as `-`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

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

LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(
    {entry[:2]: entry[3:] for entry in _NAMES.strip().replace("\n", "|").split("|")}
)
"""The English names of the languages in ISO 639-1, by code."""


def matches_language(language: str, wanted: str) -> bool:
    """Whether `language` is `wanted` or a variant of it: `en` matches `en-GB`, `en-GB` does not match `en`.

    This is the basic filtering of RFC 4647.
    """
    return f"{normalize_language(language)}-".startswith(f"{normalize_language(wanted)}-")


def is_same_language(language: str, wanted: str) -> bool:
    """Whether two tags are equal apart from letter case and the separator."""
    return normalize_language(language) == normalize_language(wanted)


def language_rank(language: str | None, wanted: Sequence[str], spoken: str | None = None) -> int:
    """Return the order in which captions in `language` are preferred; 0 is the best.

    First come the wanted languages in their order: each with its variants (`en` finds `en-GB`) and the
    language that it is a variant of (`en-GB` falls back to `en`). Then come other variants of a wanted
    language (`en-US` for `en-GB`), then the language that is spoken in the video, then every other one.
    Captions without a language count as being in the spoken one.
    """
    language = language or spoken
    if language is not None:
        for place, one in enumerate(wanted):
            if _is_related(language, one):
                return place
        if _shares_primary_tag(language, wanted):
            return len(wanted)
    is_spoken = language is None or (spoken is not None and _is_related(language, spoken))
    return len(wanted) + (1 if is_spoken else 2)


def _is_related(language: str, other: str) -> bool:
    return matches_language(language, other) or matches_language(other, language)


def _shares_primary_tag(language: str, others: Iterable[str]) -> bool:
    return _primary_tag(language) in map(_primary_tag, others)


def _primary_tag(language: str) -> str:
    return normalize_language(language).partition("-")[0]


def normalize_language(language: str) -> str:
    """Return a tag in the form that is compared: `EN_gb` is `en-gb`."""
    return language.strip().replace("_", "-").casefold()
