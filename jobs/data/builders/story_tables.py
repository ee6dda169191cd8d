"""The words and sentences of our little stories. Code in story_grammar.py both tells and recognises from
them.

How the tables are meant: a story is a list of beats. A beat is one sentence; which one is decided by a
fact that an earlier sentence has already told (`by`), so the story hangs together: the weather brings
the companion, the hero's nature is the wish at the beginning and the moral at the end, the thing's kind
says what it can do. Every choice is a single word, and no choice depends on a word right beside it: that
is what lets a diffusion model reveal several words at once without contradicting itself.

In a sentence `{slot}` is a word of WORDS; a slot used before must be the same word again. `{She}`,
`{she}` and `{her}` follow the name. After `a` only words that begin with a consonant sound may come (a
test checks it).
"""

from dataclasses import dataclass

_GIRLS = "Mia Lily Nora Ella Zoe Rosa Luna Clara Tess Hana Pia Greta"
_BOYS = "Tom Max Leo Ben Finn Noah Hugo Otto Emil Theo Jack Omar"

_THINGS: dict[str, str] = {
    "light": "lantern candle lamp",
    "music": "flute drum bell whistle",
    "travel": "boat kite balloon carpet",
    "wear": "hat cloak crown ring",
    "words": "book map letter",
    "glass": "mirror crystal marble",
    "plant": "seed bean nut",
    "riches": "coin pearl ruby",
    "toy": "doll ball puppet",
    "vessel": "box chest jar teapot",
    "tool": "spoon brush hammer broom",
    "nature": "feather shell stone leaf",
    "time": "clock watch",
    "key": "key",
}

_WORDS: dict[str, str] = {
    "name": f"{_GIRLS} {_BOYS}",
    "thing": " ".join(_THINGS.values()),
    "weather": "sunny rainy snowy windy foggy stormy frosty hot",
    "time": "morning evening afternoon day",
    "trait": "lonely hungry lost sleepy shy bored sad brave curious clumsy dreamy greedy",
    "hero": "fox mouse rabbit bear kitten duck robot otter panda hedgehog pony dragon",
    "went": "went walked ran hurried wandered",
    "place": "mill forest bridge garden beach castle library barn lake hill market cave",
    "look": "golden silver tiny shiny dusty strange pretty secret",
    "manner": "wise kind funny gentle polite grumpy young merry",
    "friend": "frog goat snail crow turtle bee mole cat dog horse swan toad",
    "said": "said whispered sang laughed cried",
    # one word of a single sentence
    "good": "good true new real",
    "taste": "warm fresh sweet",
    "food": "bread soup pie pancakes honey",
    "way": "way path road",
    "soft": "soft warm quiet",
    "sky": "stars moon clouds",
    "dare": "sing dance speak",
    "fun": "games toys jokes",
    "span": "week month year",
    "fear": "giants ghosts wolves thunder monsters",
    "count": "hundred thousand million",
    "limbs": "feet toes shadow",
    "far": "mountains sea rainbow rooftops",
    "goods": "gold cake jam silk",
    "moss": "mossy hollow crooked",
    "wheel": "big creaky wooden",
    "rose": "red wild white",
    "sand": "white warm wet",
    "hay": "dry soft sweet",
    "thick": "thick heavy little",
    "dark": "dark cold narrow",
    "flat": "flat round grey",
    "nap": "napping resting singing",
    "night": "night tunnel cellar",
    "crowd": "birds trees fish clouds",
    "goal": "moon stars sea",
    "mood": "happy brave clever invisible",
    "hoard": "treasure city island waterfall",
    "plan": "tomorrow winter luck",
    "tall": "tall blue singing",
    "ruler": "queen king mayor witch",
    "hour": "midnight noon dawn",
    "filling": "dreams wishes songs stories",
    "voice": "sea wind rain summer",
    "gate": "door gate heart",
    "act": "sing dance speak",
    "cheer": "birds trees fish clouds",
    "over": "mountains sea rainbow rooftops",
}

BOYS = _BOYS.split()
THING_KINDS: dict[str, list[str]] = {kind: words.split() for kind, words in _THINGS.items()}
WORDS: dict[str, list[str]] = {slot: words.split() for slot, words in _WORDS.items()}


@dataclass(frozen=True)
class Beat:
    """One sentence of the story: which one is told depends on the fact `by`."""

    by: str
    sentences: dict[str, str]


BEATS: tuple[Beat, ...] = (
    Beat("", {"": "One {weather} {time}, {name} the {trait} {hero} {went} to the {place}."}),
    Beat(
        "trait",
        {
            "lonely": "{She} wished for a {good} friend.",
            "hungry": "{She} dreamed of {taste} {food}.",
            "lost": "{She} could not find the {way} home.",
            "sleepy": "{She} looked for a {soft} bed.",
            "shy": "{She} did not dare to {dare}.",
            "bored": "{She} had no more {fun} at home.",
            "sad": "{She} had not smiled for a {span}.",
            "brave": "{She} was not afraid of {fear}.",
            "curious": "{She} asked a {count} questions.",
            "clumsy": "{She} often fell over {her} own {limbs}.",
            "dreamy": "{She} longed to fly over the {far}.",
            "greedy": "{She} could not get enough {goods}.",
        },
    ),
    Beat(
        "place",
        {
            "mill": "Behind the {wheel} wheel {she} found a {look} {thing}.",
            "forest": "Under a {moss} tree {she} found a {look} {thing}.",
            "bridge": "Between two {flat} stones {she} found a {look} {thing}.",
            "garden": "Among the {rose} roses {she} found a {look} {thing}.",
            "beach": "Deep in the {sand} sand {she} found a {look} {thing}.",
            "castle": "High in a {dark} tower {she} found a {look} {thing}.",
            "library": "Inside a {thick} book {she} found a {look} {thing}.",
            "barn": "Below the {hay} hay {she} found a {look} {thing}.",
            "lake": "Beside a {wheel} rowboat {she} found a {look} {thing}.",
            "hill": "Beside a {flat} rock {she} found a {look} {thing}.",
            "market": "Behind a {wheel} cart {she} found a {look} {thing}.",
            "cave": "Deep in a {dark} passage {she} found a {look} {thing}.",
        },
    ),
    Beat(
        "weather",
        {
            "sunny": "A {manner} {friend} was {nap} in the sun.",
            "rainy": "A {manner} {friend} came in from the rain.",
            "snowy": "A {manner} {friend} climbed out of the snow.",
            "windy": "The wind blew in a {manner} {friend}.",
            "foggy": "A {manner} {friend} stepped out of the fog.",
            "stormy": "In a flash of lightning stood a {manner} {friend}.",
            "frosty": "A {manner} {friend} was skating on the ice.",
            "hot": "A {manner} {friend} sat {nap} in the shade.",
        },
    ),
    Beat(
        "kind",
        {
            "light": '"That {thing} can light the longest {night}," {said} {her} friend.',
            "music": '"That {thing} makes the {crowd} dance," {said} {her} friend.',
            "travel": '"That {thing} will carry you to the {goal}," {said} {her} friend.',
            "wear": '"That {thing} makes you {mood}," {said} {her} friend.',
            "words": '"That {thing} tells of a hidden {hoard}," {said} {her} friend.',
            "glass": '"That {thing} shows what {plan} brings," {said} {her} friend.',
            "plant": '"That {thing} will become a {tall} tree," {said} {her} friend.',
            "riches": '"That {thing} belongs to the {ruler}," {said} {her} friend.',
            "toy": '"That {thing} wakes up at {hour}," {said} {her} friend.',
            "vessel": '"That {thing} is full of {filling}," {said} {her} friend.',
            "tool": '"That {thing} works all by itself," {said} {her} friend.',
            "nature": '"That {thing} remembers the {voice}," {said} {her} friend.',
            "time": '"That {thing} can stop time until {hour}," {said} {her} friend.',
            "key": '"That {thing} opens every {gate}," {said} {her} friend.',
        },
    ),
    Beat(
        "trait",
        {
            "lonely": "{name} shared the {thing} and was never lonely again.",
            "hungry": "They traded the {thing} at once and ate until dark.",
            "lost": "With the {thing} in hand, {name} soon came home.",
            "sleepy": "{name} hugged the {thing} and slept under the {sky}.",
            "shy": "{name} held the {thing} tight and began to {act}.",
            "bored": "They played with the {thing} until the {sky} came out.",
            "sad": "{name} looked at the {thing} and smiled at last.",
            "brave": "{name} carried the {thing} home, and even the {cheer} cheered.",
            "curious": "{name} asked and asked, but the {thing} kept its secret.",
            "clumsy": "{name} dropped the {thing} at once, and they both laughed.",
            "dreamy": "{name} waved the {thing} and flew over the {over}.",
            "greedy": "{name} gave the {thing} away and felt rich at last.",
        },
    ),
)

PLAIN_REQUESTS = ("Write a story.", "Tell me a story.")
REQUESTS = (
    "Write a story about {name} who finds a {thing}.",
    "Tell me a story about {name} who finds a {thing}.",
)
