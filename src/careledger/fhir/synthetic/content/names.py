"""Names and places that belong to nobody: combined at random, in towns that do not exist."""

FEMALE = (
    "Abena", "Alma", "Amira", "Beatriz", "Bridget", "Chiara", "Dalia", "Edith", "Elif", "Esther",
    "Fatou", "Greta", "Hana", "Ingrid", "Ivy", "Joan", "Kavya", "Leila", "Lucia", "Mei",
    "Nadia", "Noor", "Olga", "Paloma", "Priya", "Rosa", "Ruth", "Saoirse", "Tamar", "Yuki",
)  # fmt: skip
MALE = (
    "Aaron", "Anders", "Arjun", "Benoit", "Bruno", "Caleb", "Daniel", "Dmitri", "Emeka", "Felix",
    "Gabriel", "Hamid", "Hugo", "Ibrahim", "Isaac", "Jonas", "Kenji", "Kofi", "Luca", "Mateo",
    "Nikhil", "Oscar", "Pavel", "Quentin", "Rafael", "Samir", "Tomas", "Viktor", "Wei", "Yusuf",
)  # fmt: skip
FAMILY = (
    "Abbott", "Adeyemi", "Alvarez", "Anand", "Bergstrom", "Bianchi", "Castillo", "Chaudhry",
    "Dubois", "Eriksen", "Farrow", "Fontaine", "Gallagher", "Haddad", "Hartwell", "Ibarra",
    "Ivanova", "Jensen", "Kaplan", "Kimura", "Kowalski", "Laurent", "Lindqvist", "Marchetti",
    "Mbeki", "Mercer", "Nakagawa", "Novak", "Okafor", "Ortega", "Pereira", "Quinlan", "Rahman",
    "Rosenthal", "Sandoval", "Sato", "Tanaka", "Thorne", "Underhill", "Vasquez", "Whitlock",
    "Yilmaz", "Zhang", "Zielinski",
)  # fmt: skip
STREETS = (
    "Alder Lane", "Birchwood Avenue", "Cobbler Street", "Dunmore Road", "Elmhurst Drive",
    "Ferry Street", "Granary Road", "Harbour Street", "Juniper Court", "Kiln Lane",
    "Larkspur Way", "Mill Street", "Orchard Road", "Quarry Hill", "Saddler Street",
)  # fmt: skip
# Zip codes 00001 to 00499 were never given out.
TOWNS = (
    ("Alderbrook", "00117"),
    ("Eastmere", "00124"),
    ("Fernwick", "00138"),
    ("Graniteford", "00146"),
    ("Lakeview Heights", "00152"),
    ("Riverside Falls", "00165"),
    ("Wexcombe", "00173"),
)
STATE = "MA"
LANGUAGES = (("en", "English"), ("en", "English"), ("en", "English"), ("es", "Spanish"))
