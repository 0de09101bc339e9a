"""English for the planner: tokens, stems, synonyms, numbers and country names.

Decides when two words mean the same thing. It never knows a table, a column or a question: every list here is
plain English or generic schema vocabulary. Sets of stems are compared, so a rule is a set operation and order does
not matter.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"(?:e|re|sign|check|drop|log|follow|first|one|long|short)-[A-Za-z]+|[A-Za-z0-9]+(?:[._'\u2019][A-Za-z0-9]+)*", re.I
)
"""Compounds are read as their words (`eco-tagged`), except where the compound is a word of its own (`sign-up`)."""
_IRREGULAR = {
    "bought": "buy", "sold": "sell", "spent": "spend", "paid": "pay", "lent": "lend", "people": "person",
    "men": "man", "women": "woman", "children": "child", "cities": "city", "countries": "country",
    "categories": "category", "qty": "quantity", "quantities": "quantity", "ctr": "clickthrough", "amt": "amount",
    "cancellation": "cancel", "cancellations": "cancel", "acquisition": "acquire", "acquisitions": "acquire",
    "admission": "admit", "admissions": "admit", "conversion": "convert", "conversions": "convert",
    "profitability": "profit", "delivery": "deliver", "deliveries": "deliver",
    "status": "status", "statuses": "status", "bus": "bus", "news": "news", "days": "day", "series": "series",
    "registration": "register", "registrations": "register", "subscription": "subscribe", "signups": "signup",
    "analysis": "analyse", "gross": "gross", "address": "address", "business": "business", "process": "process",
    "us": "us", "as": "as", "is": "is", "was": "was", "its": "its", "pageviews": "pageview", "wages": "salary",
    "wage": "salary", "salaries": "salary", "bounced": "bounce", "bounces": "bounce", "bouncing": "bounce",
    "shipped": "ship", "shipping": "shipping", "marketing": "marketing", "rating": "rating", "ratings": "rating",
    "ids": "id", "caused": "caused", "sign-up": "signup", "sign-ups": "signup", "log-in": "login",
    "payments": "payment",
    "prices": "price", "pricing": "price", "priced": "price", "returning": "returning", "listing": "listing",
}  # fmt: skip


def word_set(text: str) -> frozenset[str]:
    """The words of a text; keeps long lists short on the page."""
    return frozenset(text.split())


STOP = word_set(
    """them him her a an the of in on at to for from with by and or is are was were be been being do does did have
    has had having i we us you they he she it its our your their my me this that these those there here what which
    who whom whose how when where why will would can could should shall may might must not no please show give
    tell list find get let know want need like see look looking make display calculate compute determine report
    provide about into over under per each every all any some than then as so such if but also just only both
    either between across among during within out up down off own much many more most less least very too exactly
    long currently current now figure figures number numbers count counts total totals overall amount amounts
    value values data result results chart graph plot table overview breakdown split broken statistic statistics
    stat stats summary detail details go went going gone come came coming happen happened develop developed
    development perform performed performance trend trends time times one ones same different kind kinds type
    types terms respective respectively using use used via according based grouped group sorted rank ranked
    ranking shop whole entire full complete average averages mean typical typically usual usually rate rates ratio
    ratios share shares percentage percent proportion fraction part parts portion versus vs compare compared
    comparison comparing against relative difference differ higher lower highest lowest high low top bottom best
    worst better worse big bigger biggest large larger largest small smaller smallest great greatest bad strong
    strongest weak weakest following question answer quick quickly brief briefly did's i'd i'm what's who's that's
    let's we've there's don't didn't doesn't hello hi hey thanks thank kindly able around roughly approximately
    distribution distributed account accounted accounts evolve evolved evolution history historical ever still
    already made makes making occur occurred recorded record records belong belongs contribute contributed
    contribution generate generated generates bring brought drive drove driven frequent frequently common commonly
    often responsible while through throughout since until till before after again else instead other others
    another available considered contain contains containing include included including excluding except wasn't
    isn't aren't themselves itself grow grew growth grown growing decline declined declining increase increased
    decrease decreased rise rose risen fall fell fallen per-month ended start started begin beginning end ends ago
    well few fewer past last previous next prior preceding latest recent recently first final follow once twice"""
)

SOFT = word_set(
    """contained rising falling climb climbing sink sinking get got getting collect collected move moved spread break
    broke broken reach reached sell sold buy bought pay paid spend spent earn earned take took taken say said ask
    asked think believe guess hear know known mean work worked help try need start stop keep kept hold held run
    turn turned become became seem seemed appear put set bring brought leave left begin end visit visited view
    viewed order ordered affect affected impact impacted matter receive received return business shop company
    store organisation organization platform site website world market place placed popular something anything
    everything nothing someone anyone everyone somebody people person visitor user thing things stuff different
    various several certain particular specific special individual separate single unique distinct actual real new
    whole overall general main major important interesting significant relevant recent daily weekly monthly
    quarterly yearly annual regular active basic simple clear short plain please maybe perhaps really actually
    simply together apart alone almost already also always never sometimes usually normally mostly mainly largely
    especially two three four five six seven eight nine ten half double twice pair day days week weeks month
    months quarter quarters year years hour hours date dates period periods time today yesterday utc gmt usd eur
    dollar dollars euro euros money cash term basis level levels way ways point points side group groups list
    ranking leader leaders customer-wise per-unit item-wise around near far early late later earlier soon down up
    off out away back forward hand case fact idea vary varies depend depends question answer look looks looked
    granted grant given give gave awarded allowed issued shifted shift handed booked logged incurred arose arise
    live lives living reside based located distribute distributes worth launched opened opening beginning amounted
    amounts totalled totaled totalling sized ran running yielded yield brings earns pulled attracted delivering
    achieved achieve scored landed arrived arrive captured saw seen accrued raised counted averaged produced
    produce represent represents represented constitute constitutes belonged stand stands stood sit sits portion
    across-board name names named listed ordered-by customer-base headcount
    lead leads led result resulted resulting translate translated accomplish enter entered
    exit exited receive receives obtain obtained gather gathered hit finish finished complete completed completing
    happen happens proceed proceeded proceeding advance advanced progress progressed continue continued remain
    remained exist exists appear appears appearing involve involved consist consists comprise comprises attribute
    attributed attributable originate originated originating stem stems stemmed derive derived relate related
    concern concerned regard regarding fluctuate fluctuated improve improved worsen worsened evolve evolves trend
    trended climb climbed slip slipped sink sank jumps rank ranks ranked sort sorts split splits divide divided
    dividing separate separated aggregate aggregated summarise summarize summarised summarized total totals
    realised realized posted booked clocked cashed rake raked netted grossed
    sent send sends went land lands pick picked choose chose chosen select selected prefer preferred
    opt opted favour favor favoured favored rely relied use uses browse browsed shop shopped
    catalogue catalog assortment range portfolio lineup database dataset system records book books file files
    firm enterprise e-commerce ecommerce webshop commerce retail retailer house
    management team board boss colleague meeting report reports slide deck dashboard spreadsheet
    breakdowns listing listings snapshot roundup recap digest comparison insight insights info
    information metric metrics kpi kpis indicator indicators measure measures statistics calculation
    record records peak peaks rough exact precise precisely approximate altogether
    combined jointly pair pairs couple majority minority rest remainder remaining bulk chunk slice
    bit lot lots plenty bunch handful variety
    exceptional exceptionally unusually remarkably particularly especially specifically respectively individually
    collectively additionally consistently steadily gradually rapidly slowly noticeably significantly slightly
    considerably substantially markedly relatively comparatively primarily chiefly generally basically essentially
    literally effectively ideally hopefully initially originally eventually ultimately typically commonly
    normally regularly occasionally rarely frequently newly freshly formerly previously subsequently thereafter
    afterwards meanwhile simultaneously
    caused pass passes passed elapse elapsed elapses selling sells
    curious wonder wondering happy interested like liked prefer want wanted create created provide provided offer
    offered sum add added combined average-wise drop dropped carry carried convert-wise total-wise cover covered
    describe described identify compute perform performs performing performed performance doing behave behaved
    fare fared happening lost win won gain gained rank compare id ids identifier enough suffice sufficient fine
    okay jump jumped return-wise course month-on-month versus much come ended result"""
)

_SYNONYMS: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split())
    for group in (
        "revenue sale turnover earning taking gmv spend spending sell money turn take",
        "unit quantity piece copy volume",
        "customer client buyer shopper purchaser",
        "order purchase transaction buy",
        "session visit visitor",
        "product article sku item merchandise goods",
        "country nation",
        "region area territory state province",
        "city town",
        "refund reimbursement",
        "cost expense",
        "discount markdown",
        "segment tier",
        "channel",
        "device platform",
        "brand manufacturer",
        "source referrer",
        "signup register join enrol enroll create",
        "employee staff worker",
        "patient",
        "book title",
        "member",
        "loan borrow lend checkout",
        "admit stay hospitalise hospitalize",
        "doctor physician",
        "launch release introduce",
        "reason cause why",
        "shipping shipment freight delivery parcel",
        "postcode zip zipcode",
        "email mail e-mail",
        "phone telephone mobile",
        "page pageview",
        "type kind",
        "invoice bill",
        "fee charge",
        "length duration",
        "age old",
        "price pay",
        "amount money",
        "payment pay",
        "create open",
        "cancel abort",
        "return",
        "ward department unit",
    )
)  # fmt: skip

COUNTRIES: dict[str, tuple[str, ...]] = {
    "germany": ("DE", "DEU", "Germany"), "german": ("DE", "DEU", "Germany"),
    "france": ("FR", "FRA", "France"), "french": ("FR", "FRA", "France"),
    "spain": ("ES", "ESP", "Spain"), "spanish": ("ES", "ESP", "Spain"),
    "italy": ("IT", "ITA", "Italy"), "italian": ("IT", "ITA", "Italy"),
    "netherlands": ("NL", "NLD", "Netherlands"), "dutch": ("NL", "NLD", "Netherlands"),
    "holland": ("NL", "NLD", "Netherlands"), "belgium": ("BE", "BEL", "Belgium"),
    "canada": ("CA", "CAN", "Canada"), "canadian": ("CA", "CAN", "Canada"),
    "australia": ("AU", "AUS", "Australia"), "australian": ("AU", "AUS", "Australia"),
    "britain": ("GB", "UK", "GBR", "United Kingdom"), "british": ("GB", "UK", "GBR", "United Kingdom"),
    "england": ("GB", "UK", "GBR", "United Kingdom"), "uk": ("GB", "UK", "GBR", "United Kingdom"),
    "gb": ("GB", "UK", "GBR", "United Kingdom"), "united kingdom": ("GB", "UK", "GBR", "United Kingdom"),
    "great britain": ("GB", "UK", "GBR", "United Kingdom"),
    "usa": ("US", "USA", "United States"), "u.s": ("US", "USA", "United States"),
    "america": ("US", "USA", "United States"), "american": ("US", "USA", "United States"),
    "united states": ("US", "USA", "United States"), "the us": ("US", "USA", "United States"),
    "austria": ("AT", "AUT", "Austria"), "switzerland": ("CH", "CHE", "Switzerland"),
    "swiss": ("CH", "CHE", "Switzerland"), "poland": ("PL", "POL", "Poland"),
    "sweden": ("SE", "SWE", "Sweden"), "norway": ("NO", "NOR", "Norway"), "denmark": ("DK", "DNK", "Denmark"),
    "finland": ("FI", "FIN", "Finland"), "portugal": ("PT", "PRT", "Portugal"), "ireland": ("IE", "IRL", "Ireland"),
    "japan": ("JP", "JPN", "Japan"), "china": ("CN", "CHN", "China"), "india": ("IN", "IND", "India"),
    "brazil": ("BR", "BRA", "Brazil"), "mexico": ("MX", "MEX", "Mexico"),
}  # fmt: skip

NUMBERS = {
    w: n
    for n, w in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100}

_SUFFIXES = (
    ("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("ations", ""), ("ation", ""),
    ("ments", "ment"), ("s", ""),
)  # fmt: skip


@dataclass(frozen=True)
class Token:
    """One word of the question: its text, its stem, and where it stands (character offsets)."""

    text: str
    stem: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower()


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The word without its English endings; close enough to compare, not to print."""
    low = word.lower().replace("\u2019", "'").removesuffix("'s").strip("'-")
    for form in (low, low.removesuffix("s"), _singular(low)):
        base = _IRREGULAR.get(form)
        if base is not None:
            return base if base == form else _without_final_e(base)
    return _without_verb_ending(_singular(low))


def _singular(low: str) -> str:
    if len(low) <= 3 or low.endswith(("ss", "us", "is")):
        return low
    for ending, replacement in _SUFFIXES:
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            return low[: len(low) - len(ending)] + replacement
    return low


def _without_verb_ending(low: str) -> str:
    for ending in ("ing", "ed"):
        body = low.removesuffix(ending)
        if body != low and len(body) >= 3 and re.search(r"[aeiouy]", body):
            if len(body) > 3 and body[-1] == body[-2] and body[-1] not in "s":
                return body[:-1]
            return body.removesuffix("e")
    return _without_final_e(low)


def _without_final_e(low: str) -> str:
    return low.removesuffix("e") if len(low) > 4 else low


@lru_cache(maxsize=8192)
def alike(word_stem: str) -> frozenset[str]:
    """All stems that mean the same as this one, itself included."""
    found = {word_stem}
    for group in _STEMMED:
        if word_stem in group:
            found |= group
    return frozenset(found)


_STEMMED: tuple[frozenset[str], ...] = tuple(frozenset(stem(w) for w in group) for group in _SYNONYMS)


BUYERS = frozenset(stem(w) for w in ("buyer", "shopper", "purchaser"))
SOFT_STEMS = frozenset(stem(w) for w in SOFT)
_NOT_ADVERBS = word_set(
    "family supply reply assembly anomaly italy july monopoly early only fly ally rally apply comply"
)


def is_soft(token: "Token") -> bool:
    """True for a word that may stay unexplained: a light verb, an adverb, something that frames the question."""
    adverb = token.lower.endswith("ly") and len(token.lower) > 4 and token.lower not in _NOT_ADVERBS
    return token.stem in SOFT_STEMS or adverb


def tokens(text: str) -> tuple[Token, ...]:
    """The words of a text in order, with their offsets."""
    return tuple(Token(m.group(), stem(m.group()), m.start(), m.end()) for m in _TOKEN.finditer(text))


@lru_cache(maxsize=8192)
def stems_of(text: str) -> frozenset[str]:
    """Stems of an identifier or a sentence; `orderValue` and `order_value` give the same set."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return frozenset(stem(w) for w in re.findall(r"[A-Za-z0-9]+", spaced))


def number(word: str) -> int | None:
    """The integer that a word or numeral stands for."""
    low = word.lower().replace(",", "")
    if low.isdigit():
        return int(low)
    return NUMBERS.get(low)


def title(name: str) -> str:
    """`order_count` as `Order count`."""
    spaced = name.replace("_", " ").replace(".", " ").strip()
    return spaced[:1].upper() + spaced[1:]
