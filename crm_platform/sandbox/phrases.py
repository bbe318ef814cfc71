"""What people write to each other.

What belongs here: texts and kinds of media, in the mix of languages of a shop in Nairobi. What does not: who says what
when (`conversations.py`).
"""

from __future__ import annotations

QUESTIONS = (
    "Hello, is this still available?",
    "Habari, bei gani?",
    "Naomba price list tafadhali",
    "Do you deliver to Rongai?",
    "I paid via M-Pesa but no confirmation yet",
    "Mko open leo?",
    "Hi 👋",
    "My order has not arrived 😕",
    "Can I get 20 pieces?",
    "Nataka kujua kama iko size 42",
    "Please send me your location",
    "What time do you close?",
    "Bado sijapata refund yangu",
    "Good morning, can you help me?",
    "Is there a discount for wholesale?",
    "¿Hacen envíos a Kampala?",
    "Samahani, nimekosea order",
    'Need an invoice for Acme Ltd, "urgent"',
    "Photo attached\nSecond line",
    "ok",
    "?",
    "Naweza lipa mos mos?",
)
ANSWERS = (
    "Hello! Yes, it is available 😊",
    "Karibu! Bei ni 1,500/=",
    "We deliver country-wide, 2 to 3 days.",
    "Let me check for you.",
    "Please share your order number.",
    "Tuko open mpaka saa kumi na mbili jioni.",
    "Payment received, asante!",
    "Your parcel left our shop this morning 🚚",
    "Yes, from 10 pieces you get 12% off.",
    "Pole sana, tunashughulikia.",
    "Here is our location: https://maps.example/savanna",
    "We close at 6 pm.",
    "Done ✅",
    "Could you send a photo please?",
)
THANKS = (
    "asante 🙏",
    "Asante sana!",
    "Thanks 👍",
    "Thank you so much ❤️",
    "Sawa",
    "ok thanks",
    "🙏🙏",
    "Shukran",
    "Poa",
)
WELCOMES = ("Karibu sana 😊", "Welcome!", "Karibu tena")
FOLLOW_UPS = ("Hello?", "Uko?", "??", "Still waiting for your answer", "Any update?")
OPENERS = (
    "Hi, your order is ready for pick-up.",
    "Habari, tumepokea stock mpya.",
    "Good morning! Following up on your request.",
)
REPLIES_TO_CAMPAIGNS = (
    "YES",
    "Yes please",
    "Nitumie list",
    "How much?",
    "5",
    "STOP",
    "Niko interested 😍",
    "Where are you located?",
)
MEDIA = (
    ("image", "jpg"),
    ("image", "jpg"),
    ("image", "png"),
    ("audio", "ogg"),
    ("audio", "ogg"),
    ("document", "pdf"),
    ("video", "mp4"),
)
