"""Words of Latin-script languages, with their accents: a small list composed here, or the machine's word lists.

The built-in lists are ours. `load_words` adds what Debian's word list packages put below /usr/share/dict; they are
read, never shipped: wamerican-small (SCOWL's own free licence), wspanish (public domain), wdutch (BSD or CC-BY-3.0),
wfrench, wngerman, wswedish, wportuguese (GPL-2+), witalian (GPL-3+).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_ocr.errors import ConfigError
from train.data.text import NAMES, WORDS

DICT = Path("/usr/share/dict")

_GERMAN = """
Abfahrt Ankunft Ausgang Äpfel Bäckerei Bahnhof Behörde Bitte Brötchen Brücke Bücher Büro danke Datum Eingang Empfänger
Ermäßigung Fähre Fahrkarte Flughafen Frühstück für Gebühr Gemüse geöffnet geschlossen Gespräch Getränke Größe Gültig
Höhe Hörsaal Käse Kühlschrank Küche Länge Löschgerät Maße Menü Mädchen Möbel Müll Nähe Öl öffnen Öffnungszeiten
Prüfung Quittung Rückgabe Säure Schlüssel Schließfach Schüler Straße süß Summe Süden Tür über Übergabe Überweisung
Umsatz Unterschrift Verkäufer Vorgang während Währung Wäsche Zahlung Zubehör zurück Zug zwölf
"""
_FRENCH = """
accès adresse âge août arrêt arrivée avril bâtiment bibliothèque boîte café caisse ça château chèque client clé
commande côté crédit crème décembre déjà départ diplôme dîner école égalité élève entrée épicerie été étage être
facture février fenêtre fête français garçon gâteau guichet hôpital hôtel île intérêt janvier jeûne légumes lumière
mairie médecin même mètre modèle musée naïf nièce Noël noir numéro œuvre où pâtes pêche pharmacie pièce première
prénom près quai réduction règlement reçu santé sécurité siège sœur sortie température théâtre ticket très vélo vérité
ville voiture
"""
_SPANISH = """
abierto adiós agua año autobús avión azúcar baño cajón calle camión canción cerrado código compañía corazón crédito
débito descripción dirección día domicilio educación entrada España estación fábrica factura farmacia fútbol gracias
habitación hígado información jardín jueves lápiz leña líquido llave lunes mañana máquina médico miércoles montaña
música niño número océano pagar país panadería pequeño película piña policía precio público razón recibo sábado salida
sección señal señor tamaño teléfono tienda trámite último vacío válido viernes vuelo
"""
_ITALIAN = """
acqua aeroporto biglietto binario caffè camera cassa chiuso città colazione conto data dogana entrata età farmacia
fermata forno gelato giovedì già indirizzo ingresso latte libertà luglio lunedì martedì mercoledì metà modalità
negozio noleggio nome orario ospedale pane parcheggio perché piazza più prezzo pubblicità qualità quantità ricevuta
ritardo scontrino sarà sconto servizi società spiaggia stazione strada totale treno ufficio uscita università uovo
venerdì via viaggio virtù
"""
_PORTUGUESE = """
ação açúcar água almoço amanhã avó bagagem câmara cartão chá chão código coração direção doação educação emissão
endereço época estação família farmácia fechado função gás horário informação inglês irmã junção lápis limão maçã mãe
médio município não número ônibus pão país português preço promoção público receção recibo relógio saída seção também
três válido você
"""
_NORDIC = """
ålder ärende återbetalning avgång bröd båt efternamn färja för förbjudet frukost grön hållplats hörn kött kvitto mjölk
måndag möte nyckel nästa öppet pris påse räkning skärm småland stängt söndag tåg tömning utgång väg växel år adgang
afgang ankomst beløb billet brød dør første fløde færge fåre grønt hjørne højre ind kø køb lørdag måned nøgle pålæg
præmie rød skål smør søndag tilbud torsdag udgang værelse æg øl ønske ørred åben året
"""
_DUTCH_POLISH_CZECH = """
aankomst afdeling één geopend gesloten uitgang kassabon korting postcode straat vertrek vóór zoë betaling bedrag ruïne
adres apteka bilet błąd ćwiczenie cześć dworzec dziękuję gość kąpiel kłódka książka liść łódź miód mąka następny
obsługa odjazd opłata paragon piątek płatność pociąg późno prąd przyjazd ręka sąd śniadanie sprzedaż środa święto
usługa wejście wyjście źródło żółty číslo čaj dům hlavní jídelní káva kočka lékárna mléko nádraží neděle odjezd
příjezd přesun řeka sleva směr tržby účet vlak výstup zátka zboží žízeň
"""
_ACCENTED_NAMES = """
Åsa André Anaïs Bjørn Björk Böhm Chloé Dvořák Eugénie François Gonçalves Günther Göran Hélène Ibáñez İnci Jürgen José
João Kovács Krüger Łukasz Martínez Müller Muñoz Núñez Øyvind Özdemir Peña Pérez Renée Sánchez Schäfer Šimon Sørensen
Thérèse Türk Ünal Václav Wójcik Zoë
"""
_MORE_ENGLISH = """
the and of to in is for with on that by from are this as be at or an was not have has will their which all can but
more one its other than been may such only each these who had when your our also into some any would between about
after approved available average before brand chemical comments company conditions department description detail
effective employer equipment estimated export federal following further general general's history including increase
industrial interest issued laboratory legal management market material maximum memorandum minimum monthly official
original package pending period physical policy previous process program project prepared purpose quality quarterly
rating received record region report request required research response result review sample schedule signature
software source special standard statement status study subject submitted supplier support system taxable technical
temporary territory trading treatment under upper various volume weekly yearly year
"""

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "en": WORDS + tuple(_MORE_ENGLISH.split()),
    "de": tuple(_GERMAN.split()),
    "fr": tuple(_FRENCH.split()),
    "es": tuple(_SPANISH.split()),
    "it": tuple(_ITALIAN.split()),
    "pt": tuple(_PORTUGUESE.split()),
    "nordic": tuple(_NORDIC.split()),
    "other": tuple(_DUTCH_POLISH_CZECH.split()),
}
ALL_NAMES = NAMES + tuple(_ACCENTED_NAMES.split())

_LISTS = {
    "en": "american-english-small", "de": "ngerman", "fr": "french", "es": "spanish", "it": "italian",
    "pt": "portuguese", "nordic": "swedish", "other": "dutch",
}  # fmt: skip
_SPELT_OUT = {"ß": "ss", "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i"}
_SPELT_OUT |= {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "€": "EUR ", "£": "GBP ", "…": "..."}


def load_words(folder: Path = DICT) -> Mapping[str, Sequence[str]]:
    """The built-in words with those of a folder of Debian's word lists; what is not installed is left out.

    Raises:
        ConfigError: The folder holds none of the lists.
    """
    words: dict[str, Sequence[str]] = dict(BUILT_IN)
    found = 0
    for language, name in _LISTS.items():
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8", errors="strict").split()
            words[language] = (*BUILT_IN[language], *(word for word in lines if 2 <= len(word) <= 16))
            found += 1
    if not found:
        raise ConfigError(f"{folder}: none of {', '.join(_LISTS.values())}; apt-get install wamerican-small wngerman")
    return words


def spell(text: str, charset: frozenset[str]) -> str:
    """Write a text with the characters of a charset: accents are dropped and ligatures spelt out where they must be.

    Returns:
        The text in composed form (NFC), single spaces, none outside; "" where nothing can be written.
    """
    chars: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        if char in charset:
            chars.append(char)
            continue
        plain = _SPELT_OUT.get(char) or unicodedata.normalize("NFKD", char)
        chars += [part for part in plain if part in charset]
    return " ".join("".join(chars).split())
