"""keras_sequential's references: whether the number in brackets leads to the work that the sentence speaks of."""

from __future__ import annotations

from functools import partial

from alexnet_ref.claims.claim import Claim, Evidence, Finding, Quotes, holds_if, keras_claim, read

# The beginnings of its list of references, in order.
REFERENCES = (
    "- Krizhevsky, Alex & Sutskever, Ilya & Hinton, Geoffrey. (2012).",
    "- Deng, Jia & Dong, Wei & Socher, Richard & Li, Li-Jia & Li, Kai & Li, Fei Fei. (2009).",
    "- Chellapilla, Kumar & Puri, Sidd & Simard, Patrice. (2006).",
    "- Raina, Rajat & Madhavan, Anand & Ng, Andrew. (2009).",
    "- Nair, Vinod & Hinton, Geoffrey. (2010).",
    "- LeCun, Y.; Boser, B.; Denker, J. S.; Henderson, D.; Howard, R. E.; Hubbard, W.; Jackel, L. D. (December 1989).",
)


def decide_citation(quotes: Quotes, _: Evidence, author: str, year: str) -> Finding:
    """Decide whether the entry of this number is by this author, of this year."""
    number, entries = int(read(r"\[(\d+)\]", quotes[0])[0]), quotes[1:]
    entry = entries[number - 1] if number <= len(entries) else ""
    found = next((i for i, text in enumerate(entries, 1) if author in text and year in text), 0)
    name = entry.removeprefix("- ").split(",")[0]
    return holds_if(found == number, f"[{number}] is {name}" + ("" if found == number else f"; {author} {year} is [{found}]"))


def decide_initials(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the letters in brackets are the initials of the words before; ImageNet counts as one word."""
    words, letters = read(r"(ImageNet[\w ]+) \(([A-Z]+)\)", quotes[0])
    initials = "".join(word[0] for word in words.split())
    return holds_if(initials == letters, f"the initials are {initials}")


def _citation(id: str, quote: str, author: str, year: str) -> Claim:  # noqa: A002 - the field's own name
    decide = partial(decide_citation, author=author, year=year)
    return keras_claim(id=id, place="introduction", quotes=(quote, *REFERENCES), decide=decide)


CLAIMS = (
    _citation("cites_krizhevsky", "After its publication in 2012 by Alex Krizhevsky et al.[1]", "Krizhevsky", "2012"),
    _citation("cites_lenet", "After the big success of LeNet[5] in handwritten digit recognition", "LeCun", "1989"),
    _citation("cites_imagenet", "ImageNet: A large-scale hierarchical image database[2]", "Deng", "2009"),
    _citation("cites_chellapilla", "in 2006 by Kumar Chellapilla et al[3]", "Chellapilla", "2006"),
    _citation("cites_raina", "Later on in 2009, Raina et al.[4]", "Raina", "2009"),
    _citation("cites_relu", "AlexNet uses ReLU[5] activation function", "Nair", "2010"),
    keras_claim(
        id="initials_of_the_challenge",
        place="introduction",
        quotes=("ImageNet Large Scale Visual Recognition Challenge (ILSRVC)",),
        decide=decide_initials,
    ),
)
