"""Every word the pages say, in English and in Swahili, side by side.

What belongs here: labels, sentences and definitions with `{places}` for values. What does not: how a number is
written (numbers.py). A pair a key: a word cannot exist in one language only, and a test holds that both have the same
places.
"""

from __future__ import annotations

from typing import Final

from crm_platform.errors import CrmPlatformError
from crm_platform.serving.pages.column_words import COLUMN_WORDS
from crm_platform.serving.pages.numbers import Language

LANGUAGES: Final[dict[Language, str]] = {"en": "English", "sw": "Kiswahili"}

WORDS: Final[dict[str, tuple[str, str]]] = {
    **{f"field.{column}": words for column, words in COLUMN_WORDS.items()},
    # Frame.
    "product": ("CRM figures", "Takwimu za CRM"),
    "skip": ("Skip to the figures", "Nenda kwenye takwimu"),
    "page.executive": ("Executive", "Muhtasari"),
    "page.campaigns": ("Campaigns", "Kampeni"),
    "page.support": ("Support", "Huduma"),
    "page.figures": ("What the figures mean", "Maana ya takwimu"),
    "page.home": ("Start", "Mwanzo"),
    "title.executive": ("Executive", "Muhtasari wa uongozi"),
    "title.campaigns": ("Campaign ROI", "Faida ya kampeni"),
    "title.support": ("Support health", "Hali ya huduma"),
    "nav.pages": ("Pages", "Kurasa"),
    "nav.range": ("Date range", "Kipindi"),
    "range.7d": ("7 d", "siku 7"),
    "range.28d": ("28 d", "siku 28"),
    "range.90d": ("90 d", "siku 90"),
    "range.month": ("This month", "Mwezi huu"),
    "range.custom": ("Custom", "Chagua"),
    "range.from": ("From", "Kuanzia"),
    "range.to": ("To", "Hadi"),
    "range.show": ("Show", "Onyesha"),
    "filter.segment": ("Segment", "Kundi"),
    "filter.campaign": ("Campaign", "Kampeni"),
    "filter.remove": ("Remove filter {name}", "Ondoa kichujio {name}"),
    "filter.segment.note": (
        "Contacts are those with {name}. Everything else on this page is of everyone.",
        "Wateja ni wale wa {name}. Mengine yote kwenye ukurasa huu ni ya wateja wote.",
    ),
    "language": ("Language", "Lugha"),
    "theme": ("Theme", "Mwonekano"),
    "theme.light": ("Light", "Mwanga"),
    "theme.dark": ("Dark", "Giza"),
    "theme.auto": ("Auto", "Otomatiki"),
    "status.as_of": ("As of {time}", "Hadi {time}"),
    "status.coverage": ("{share} of messages seen", "{share} ya ujumbe imeonekana"),
    "status.coverage.unknown": ("share of messages seen not known", "sehemu ya ujumbe iliyoonekana haijulikani"),
    "status.sandbox": ("sandbox data, made up", "data ya majaribio, ya kubuni"),
    "status.good": ("Up to date", "Ya sasa"),
    "status.provisional": (
        (
            "Provisional: less than 95 % of the messages of these days are seen. Figures may move until the rest is "
            "fetched."
        ),
        "Ya muda: chini ya 95 % ya ujumbe wa siku hizi imeonekana. Takwimu zinaweza kubadilika hadi uliobaki uletwe.",
    ),
    "status.today": (
        "Provisional: {day} is not over. Its figures may move until midnight.",
        "Ya muda: {day} haijaisha. Takwimu zake zinaweza kubadilika hadi usiku wa manane.",
    ),
    "status.unknown": (
        "Provisional: how much of these days is seen is not known yet.",
        "Ya muda: bado haijulikani ni kiasi gani cha siku hizi kimeonekana.",
    ),
    "status.stale": (
        "Old: published {age} ago. What came since is not in these figures; tell whoever runs the platform.",
        "Ya zamani: ilichapishwa {age} zilizopita. Yaliyotokea baadaye hayamo; mwambie anayeendesha mfumo.",
    ),
    "status.pause": (
        "the CRM may not be asked until {time}: {why}",
        "CRM haiwezi kuulizwa hadi {time}: {why}",
    ),
    "status.unasked": (
        "Not what the address asks for: the days shown are this page's own.",
        "Si kile anwani inachoomba: siku zinazoonyeshwa ni za kawaida za ukurasa huu.",
    ),
    "status.broken": (
        "Old: newer figures are published and cannot be read.",
        "Ya zamani: takwimu mpya zimechapishwa lakini haziwezi kusomwa.",
    ),
    "newer": ("Newer figures are published.", "Takwimu mpya zimechapishwa."),
    "newer.show": ("Show them", "Zionyeshe"),
    # The page behind a figure.
    "receipt.title": ("Behind the figure", "Nyuma ya takwimu"),
    "receipt.version": ("Definition, version", "Maelezo, toleo"),
    "receipt.previous": ("{name}, the time before", "{name}, kipindi kilichotangulia"),
    "receipt.window": ("last {n} full days", "siku {n} kamili zilizopita"),
    "receipt.auditors": ("For auditors", "Kwa wakaguzi"),
    "receipt.exactly": ("As the tables define it", "Kama majedwali yanavyoieleza"),
    "receipt.of": ("Published as", "Imechapishwa kama"),
    "receipt.snapshot": ("Snapshot", "Toleo"),
    "receipt.coverage": ("Messages seen", "Ujumbe ulioonekana"),
    "receipt.provisional": ("provisional, it may still move", "ya muda, inaweza kubadilika"),
    "receipt.as_of": ("As of", "Hadi"),
    "receipt.from": ("Made of", "Imetokana na"),
    "receipt.agrees": ("computed again from this it is the same", "ikihesabiwa upya kutokana na haya ni ile ile"),
    "receipt.differs": ("computed again from this it differs", "ikihesabiwa upya kutokana na haya inatofautiana"),
    "rows.response_waits": ("{n} waits of customers", "kusubiri {n} kwa wateja"),
    "rows.response_waits.one": ("1 wait of a customer", "kusubiri 1 kwa mteja"),
    "rows.conversations": ("{n} conversations", "mazungumzo {n}"),
    "rows.conversations.one": ("1 conversation", "mazungumzo 1"),
    "rows.assignments": ("{n} chats handed to somebody", "mazungumzo {n} yaliyokabidhiwa"),
    "rows.assignments.one": ("1 chat handed to somebody", "mazungumzo 1 yaliyokabidhiwa"),
    "rows.work": ("{n} things that agents did", "kazi {n} za wahudumu"),
    "rows.work.one": ("1 thing that an agent did", "kazi 1 ya mhudumu"),
    "rows.messages": ("{n} messages", "ujumbe {n}"),
    "rows.messages.one": ("1 message", "ujumbe 1"),
    "rows.campaigns": ("{n} campaigns", "kampeni {n}"),
    "rows.campaigns.one": ("1 campaign", "kampeni 1"),
    "rows.campaign_statuses": ("{n} campaigns", "kampeni {n}"),
    "rows.campaign_statuses.one": ("1 campaign", "kampeni 1"),
    "rows.campaign_performance": ("{n} campaigns", "kampeni {n}"),
    "rows.campaign_performance.one": ("1 campaign", "kampeni 1"),
    "rows.contacts": ("{n} contacts", "wateja {n}"),
    "rows.contacts.one": ("1 contact", "mteja 1"),
    "rows.contact_segments": ("{n} contacts", "wateja {n}"),
    "rows.contact_segments.one": ("1 contact", "mteja 1"),
    "rows.contact_presence": ("{n} stays of contacts", "vipindi {n} vya wateja kuwapo"),
    "rows.contact_presence.one": ("1 stay of a contact", "kipindi 1 cha mteja kuwapo"),
    "rows.contact_sweeps": ("{n} counts of all contacts", "hesabu {n} za wateja wote"),
    "rows.contact_sweeps.one": ("1 count of all contacts", "hesabu 1 ya wateja wote"),
    "rows.calendar": ("{n} days", "siku {n}"),
    "rows.calendar.one": ("1 day", "siku 1"),
    "rows.backlog_daily": ("{n} days", "siku {n}"),
    "rows.backlog_daily.one": ("1 day", "siku 1"),
    "rows.chats_resolved_daily": ("{n} days", "siku {n}"),
    "rows.chats_resolved_daily.one": ("1 day", "siku 1"),
    "rows.contact_growth_daily": ("{n} days", "siku {n}"),
    "rows.contact_growth_daily.one": ("1 day", "siku 1"),
    "rows.contact_growth_monthly": ("{n} months", "miezi {n}"),
    "rows.contact_growth_monthly.one": ("1 month", "mwezi 1"),
    "rows.backlog_now": ("{n} other figures", "takwimu nyingine {n}"),
    "rows.backlog_now.one": ("1 other figure", "takwimu nyingine 1"),
    "state.value.answered": ("answered", "ilijibiwa"),
    "state.value.open": ("still waiting", "bado inasubiri"),
    "state.value.missed": ("missed", "haikujibiwa"),
    "state.value.trailing": ("thanks and the like", "shukrani na kadhalika"),
    "state.value.resolved": ("resolved", "yametatuliwa"),
    "state.value.waiting": ("waiting", "yanasubiri"),
    "state.value.active": ("going on", "yanaendelea"),
    "state.value.quiet": ("quiet", "yako kimya"),
    "resolved_by.value.operator": ("marked as done", "yaliwekwa alama"),
    "resolved_by.value.quiet": ("ended answered", "yaliisha yakiwa yamejibiwa"),
    # Why a figure moved.
    "reason.definition": ("the definition has a new version", "maelezo yana toleo jipya"),
    "reason.settings": (
        "settings that change figures were changed",
        "mipangilio inayobadilisha takwimu ilibadilishwa",
    ),
    "reason.erased": ("people were erased: their chats are gone", "watu walifutwa: mazungumzo yao hayapo tena"),
    "reason.late": (
        "late messages: sent before, first fetched after",
        "ujumbe uliochelewa: ulitumwa kabla, uliletwa baadaye",
    ),
    "reason.status": (
        "delivery statuses or campaign statuses changed",
        "hali za ufikishaji au za kampeni zilibadilika",
    ),
    "reason.new": ("new messages", "ujumbe mpya"),
    "reason.removed": ("messages are no longer kept", "ujumbe hauhifadhiwi tena"),
    "reason.report": ("campaign reports changed", "ripoti za kampeni zilibadilika"),
    "reason.campaign": ("campaigns came", "kampeni zilikuja"),
    "reason.contact": (
        "contacts came, were gone, or were seen with other values",
        "wateja walikuja, waliondoka, au walionekana na thamani nyingine",
    ),
    "reason.marked": (
        "conversations were marked as done, or chats assigned",
        "mazungumzo yaliwekwa alama ya kukamilika, au yalikabidhiwa",
    ),
    "reason.history": ("older history was read", "historia ya zamani zaidi ilisomwa"),
    "reason.time": (
        "time passed, and nothing new came",
        "muda ulipita, na hakuna jipya lililokuja",
    ),
    "reason.other": (
        "rows differ for a reason that the two snapshots do not tell",
        "safu zinatofautiana kwa sababu ambayo matoleo mawili hayaielezi",
    ),
    "receipt.requests": ("Requests they came from", "Maombi yaliyozileta"),
    "receipt.digest": ("Digest", "Muhtasari wa uthibitisho"),
    "receipt.moved": ("Since an earlier snapshot", "Tangu toleo la awali"),
    "receipt.was": ("It was {value} as of {time}.", "Ilikuwa {value} hadi {time}."),
    "receipt.same": ("It has not moved.", "Haijabadilika."),
    "receipt.taken": ("Taken from these figures", "Imechukuliwa kutoka takwimu hizi"),
    "receipt.behind": ("Rows behind it", "Safu zilizo nyuma yake"),
    "receipt.listed": (
        "{n} of {of}. Chats and messages go by pseudonyms.",
        "{n} kati ya {of}. Mazungumzo na ujumbe vina majina bandia.",
    ),
    "receipt.who": (
        "Whoever runs the platform sees which customers these are, and the audit log notes it:",
        "Anayeendesha mfumo huona wateja hawa ni akina nani, na kumbukumbu ya ukaguzi huandika hilo:",
    ),
    "receipt.all": ("All of them as JSON", "Zote kama JSON"),
    "receipt.computed": ("How it is computed", "Jinsi inavyohesabiwa"),
    "receipt.sql": ("SQL that filled its table", "SQL iliyojaza jedwali lake"),
    "footer.snapshot": ("Snapshot {id}", "Toleo {id}"),
    "footer.definitions": ("Definitions, version {version}", "Maelezo, toleo la {version}"),
    "footer.automation": (
        "Replies by bots count as replies unless whoever runs the platform has named the bots.",
        "Majibu ya roboti huhesabiwa kama majibu isipokuwa anayeendesha mfumo amezitaja roboti hizo.",
    ),
    # States.
    "empty.title": ("Nothing is published yet", "Bado hakuna kilichochapishwa"),
    "empty.text": (
        (
            "Here will stand the answer to “are we fine, and what changed?”: first response time, answer rate, chats "
            "waiting and resolved, contacts and campaigns, each with its trend."
        ),
        (
            "Hapa patakuwa na jibu la “tuko salama, na nini kimebadilika?”: muda wa jibu la kwanza, kiwango cha "
            "kujibiwa, mazungumzo yanayosubiri na yaliyotatuliwa, wateja na kampeni, kila moja na mwelekeo wake."
        ),
    ),
    "empty.when": (
        (
            "Figures come by themselves while a CRM is read: contacts, growth and campaigns within minutes of its "
            "beginning, response times as its chats are read, every few minutes more of them."
        ),
        (
            "Takwimu huja zenyewe CRM inaposomwa: wateja, ukuaji na kampeni ndani ya dakika chache tangu kuanza, muda "
            "wa majibu kadiri mazungumzo yanavyosomwa, na zaidi kila baada ya dakika chache."
        ),
    ),
    "empty.do": ("This command fills it:", "Amri hii huijaza:"),
    "empty.chart": ("Nothing to draw in these days.", "Hakuna cha kuchora katika siku hizi."),
    "empty.stored": (
        "No contact and no message is stored yet. What fills these pages:",
        "Bado hakuna mteja wala ujumbe uliohifadhiwa. Kinachojaza kurasa hizi:",
    ),
    "broken.title": ("The newest figures cannot be read", "Takwimu mpya haziwezi kusomwa"),
    "broken.kept": (
        "Shown are the last good ones, as of {time}. Everything else works.",
        "Zinazoonyeshwa ni za mwisho zilizo sahihi, hadi {time}. Mengine yote yanafanya kazi.",
    ),
    "broken.none": (
        "No earlier figures are open. Publish again with crm build, then load this page anew.",
        "Hakuna takwimu za awali. Chapisha tena kwa crm build, kisha pakia ukurasa upya.",
    ),
    "bad.title": ("This address cannot be shown as asked", "Anwani hii haiwezi kuonyeshwa kama ilivyoombwa"),
    "bad.range": (
        "range={name} is not known; write range=7d, 28d, 90d, month, or from= and to= with dates",
        "range={name} haijulikani; andika range=7d, 28d, 90d, month, au from= na to= pamoja na tarehe",
    ),
    "bad.order": (
        "from={start} is after to={end}; swap them, or choose days up to {today}",
        "from={start} iko baada ya to={end}; zibadilishane, au chagua siku hadi {today}",
    ),
    "bad.length": (
        "from={start} to={end} is longer than ten years; choose fewer days",
        "from={start} to={end} ni zaidi ya miaka kumi; chagua siku chache zaidi",
    ),
    "bad.date": (
        "{name}={text} is no date; write {name}=2026-11-01",
        "{name}={text} si tarehe; andika {name}=2026-11-01",
    ),
    "bad.early": (
        "from={start} is before {first}, and no message is that old; write a later day",
        "from={start} ni kabla ya {first}, na hakuna ujumbe wa zamani hivyo; andika siku ya baadaye",
    ),
    "bad.campaign": (
        "campaign {name} is not known; choose one from the list",
        "kampeni {name} haijulikani; chagua moja kutoka kwenye orodha",
    ),
    "bad.sort": ("sort={name} is not known; choose one of {names}", "sort={name} haijulikani; chagua moja ya {names}"),
    "notice.costs": ("The costs of campaigns are left out", "Gharama za kampeni zimeachwa"),
    # The door.
    "login.title": ("Log in", "Ingia"),
    "login.secret": ("Your role's secret", "Siri ya jukumu lako"),
    "login.wrong": ("This is not the secret of any role.", "Hii si siri ya jukumu lolote."),
    "login.do": ("Log in", "Ingia"),
    "login.other": ("Log in with another role", "Ingia kwa jukumu lingine"),
    "login.who": (
        "Whoever runs this server hands out the secrets. What is exported is written down.",
        "Anayeendesha seva hii ndiye anayetoa siri. Kila kinachopakuliwa huandikwa.",
    ),
    "logout": ("Log out", "Ondoka"),
    "session": ("Logged in as {role}", "Umeingia kama {role}"),
    "role.viewer": ("viewer", "mtazamaji"),
    "role.analyst": ("analyst", "mchambuzi"),
    "role.admin": ("admin", "msimamizi"),
    "role.may.viewer": ("Sees the pages.", "Huona kurasa."),
    "role.may.analyst": ("Sees the pages, and may export figures.", "Huona kurasa, na anaweza kupakua takwimu."),
    "role.may.admin": (
        "May export figures, and sees metrics and the audit log.",
        "Anaweza kupakua takwimu, na huona vipimo na kumbukumbu ya ukaguzi.",
    ),
    # What went wrong: a title and what to do about it.
    "problem.onwards": ("What still works:", "Kinachofanya kazi bado:"),
    "problem.not_found": ("There is no such page", "Hakuna ukurasa kama huo"),
    "problem.not_found.text": (
        "Nothing stands at this address. It may be mistyped, or from before an update.",
        "Hakuna kitu kwenye anwani hii. Huenda imeandikwa vibaya, au ni ya kabla ya sasisho.",
    ),
    "problem.method_not_allowed": ("This cannot be done here", "Hili haliwezi kufanyika hapa"),
    "problem.method_not_allowed.text": (
        "This address is for something else. Begin again from a page.",
        "Anwani hii ni ya kitu kingine. Anza tena kutoka kwenye ukurasa.",
    ),
    "problem.wrong_host": ("This server has another name", "Seva hii ina jina lingine"),
    "problem.wrong_host.text": (
        (
            "It does not answer to the name in your address bar, but to: {names}. Whoever runs it adds names with "
            "CRM_SERVE_HOSTS."
        ),
        "Haiitikii jina lililo kwenye anwani yako, bali: {names}. Anayeiendesha huongeza majina kwa CRM_SERVE_HOSTS.",
    ),
    "problem.cross_site": ("Another site sent this", "Tovuti nyingine imetuma ombi hili"),
    "problem.cross_site.text": (
        "The request was made by a page of another site, so nothing was done. Open the page here and try again.",
        "Ombi limetoka kwenye ukurasa wa tovuti nyingine; hakuna kilichofanyika. Fungua ukurasa hapa, jaribu tena.",
    ),
    "problem.role_too_low": ("Your role may not see this", "Jukumu lako haliruhusiwi kuona hili"),
    "problem.role_too_low.text": (
        "This needs the role {needed}; you came as {role}. Log in with its secret, or ask whoever runs this server.",
        "Hili linahitaji jukumu la {needed}; umeingia kama {role}. Ingia kwa siri yake, au muulize anayeendesha seva.",
    ),
    "problem.not_logged_in": ("Log in first", "Ingia kwanza"),
    "problem.not_logged_in.text": (
        "You are not logged in, or your session is over. Nothing was done.",
        "Hujaingia, au muda wako umeisha. Hakuna kilichofanyika.",
    ),
    "problem.wrong_secret": ("No role has this secret", "Hakuna jukumu lenye siri hii"),
    "problem.wrong_secret.text": (
        "The secret that was sent is not that of any role.",
        "Siri iliyotumwa si ya jukumu lolote.",
    ),
    "problem.too_many_failures": ("Too many wrong secrets", "Siri nyingi zisizo sahihi"),
    "problem.too_many_failures.text": (
        "They came from your address. The right one opens at once; a wrong one is looked at again in {wait} s.",
        "Zimetoka kwenye anwani yako. Sahihi hufungua mara moja; isiyo sahihi itaangaliwa tena baada ya sek {wait}.",
    ),
    "problem.too_long": ("This is too long", "Hii ni ndefu mno"),
    "problem.too_long.text": (
        "Nothing here needs an address or a form of that length. Begin again from a page.",
        "Hakuna kitu hapa kinachohitaji anwani au fomu ndefu hivyo. Anza tena kutoka kwenye ukurasa.",
    ),
    "problem.bad_address": ("There is no such address", "Hakuna anwani kama hiyo"),
    "problem.bad_address.text": (
        "It holds characters that no address here has. Begin again from a page.",
        "Ina herufi ambazo hakuna anwani hapa inazo. Anza tena kutoka kwenye ukurasa.",
    ),
    "problem.bad_length": ("This request cannot be read", "Ombi hili haliwezi kusomwa"),
    "problem.bad_length.text": (
        "It says of itself a length that is no number. Nothing was done.",
        "Linataja urefu ambao si namba. Hakuna kilichofanyika.",
    ),
    "problem.bad_form": ("This form cannot be read", "Fomu hii haiwezi kusomwa"),
    "problem.bad_form.text": (
        "It is not the form of the login page, or did not come whole. Open the page and try again.",
        "Si fomu ya ukurasa wa kuingia, au haikufika yote. Fungua ukurasa na ujaribu tena.",
    ),
    "problem.bad_range": ("This address cannot be shown as asked", "Anwani hii haiwezi kuonyeshwa kama ilivyoombwa"),
    "problem.bad_range.text": (
        "The days it asks for cannot be read. Choose them on a page.",
        "Siku inazoomba haziwezi kusomwa. Zichague kwenye ukurasa.",
    ),
    "problem.no_such_figure": ("There is no such figure", "Hakuna takwimu kama hiyo"),
    "problem.no_such_figure.text": (
        "It may have been of an earlier snapshot. Follow a figure's rows from its page.",
        "Huenda ilikuwa ya toleo la awali. Fuata safu za takwimu kutoka kwenye ukurasa wake.",
    ),
    "problem.no_such_chart": ("There is no such chart", "Hakuna chati kama hiyo"),
    "problem.no_such_chart.text": (
        "Follow a chart's rows from its page.",
        "Fuata safu za chati kutoka kwenye ukurasa wake.",
    ),
    "problem.unavailable": ("The figures cannot be read now", "Takwimu haziwezi kusomwa sasa"),
    "problem.unavailable.text": (
        "The server works, but something that it reads is not in order. Whoever runs it learns more from crm doctor.",
        "Seva inafanya kazi, lakini inachosoma hakiko sawa. Anayeiendesha atajua zaidi kwa crm doctor.",
    ),
    "problem.internal_error": ("This page could not be drawn", "Ukurasa huu haukuweza kuchorwa"),
    "problem.internal_error.text": (
        (
            "It is a fault of the program and nothing that you did; the server's log says what happened. The other "
            "pages may well work."
        ),
        (
            "Ni hitilafu ya programu, si kosa lako; kumbukumbu ya seva inaeleza kilichotokea. Kurasa nyingine huenda "
            "zinafanya kazi."
        ),
    ),
    "problem.refused": ("This cannot be answered", "Ombi hili haliwezi kujibiwa"),
    "problem.refused.text": ("The server says:", "Seva inasema:"),
    # Figures.
    "figure.first_response": ("First response time", "Muda wa jibu la kwanza"),
    "figure.answer_rate": ("Answer rate", "Kiwango cha kujibiwa"),
    "figure.within_target": ("Answered within {target}", "Yaliyojibiwa ndani ya {target}"),
    "figure.resolved": ("Chats resolved", "Mazungumzo yaliyotatuliwa"),
    "figure.open_waits": ("Chats waiting", "Mazungumzo yanayosubiri"),
    "figure.windows": ("Lose their window in 2 h", "Hupoteza dirisha ndani ya saa 2"),
    "figure.missed": (
        "Missed",
        "Bila jibu",
    ),
    "figure.trailing": (
        "Thanks and the like",
        "Shukrani na kadhalika",
    ),
    "figure.total_contacts": ("Contacts", "Wateja"),
    "figure.active_30d": ("Active contacts", "Wateja hai"),
    "figure.growth": ("Monthly growth", "Ukuaji wa mwezi"),
    "figure.active_campaigns": ("Active campaigns", "Kampeni zinazoendelea"),
    "figure.read_rate": ("Read rate", "Kiwango cha kusomwa"),
    "figure.reply_rate": ("Reply rate", "Kiwango cha kujibiwa kwa kampeni"),
    "figure.read_rate_settled": (
        "Read rate, settled",
        "Kusomwa, zilizotulia",
    ),
    "figure.reply_rate_settled": (
        "Reply rate, settled",
        "Kujibiwa, zilizotulia",
    ),
    "figure.delivery_rate": ("Delivery rate", "Kiwango cha kufikishwa"),
    "figure.campaigns": ("Campaigns sent", "Kampeni zilizotumwa"),
    "figure.recipients": ("Recipients", "Wapokeaji"),
    "figure.return": ("Return on campaigns", "Faida ya kampeni"),
    "trend.better": ("better", "bora"),
    "trend.worse": ("worse", "mbaya zaidi"),
    "trend.more": ("more", "zaidi"),
    "trend.fewer": ("fewer", "pungufu"),
    "trend.same": (
        "about the same",
        "karibu sawa",
    ),
    "trend.unknown": ("nothing to compare with yet", "bado hakuna cha kulinganisha"),
    "trend.was": ("was {value}", "ilikuwa {value}"),
    "info": ("About {name}", "Kuhusu {name}"),
    "info.good": (
        "Is it good?",
        "Je, ni nzuri?",
    ),
    "info.business": (
        "Business hours only",
        "Saa za kazi tu",
    ),
    "info.zone": (
        "days by {zone} time",
        "siku kwa saa za {zone}",
    ),
    "info.business.value": (
        "{value}: the same waits; time within the team's hours ({hours}) counts, time outside them does not",
        "{value}: subira zilezile; muda ndani ya saa za timu ({hours}) huhesabiwa, muda wa nje hauhesabiwi",
    ),
    "info.longer": ("Over the last 28 full days", "Siku 28 kamili zilizopita"),
    "verdict.met": (
        (
            "The median is within the target of {target}, but it is of those who got a reply. Of all {n} conversations "
            "that are decided {share} got theirs in time, {late} waited longer or got none."
        ),
        (
            "Thamani ya kati iko ndani ya lengo la {target}, lakini ni ya waliojibiwa tu. Kati ya mazungumzo yote {n} "
            "yaliyoamuliwa {share} yalipata lake kwa wakati, {late} yalisubiri zaidi au hayakulipata."
        ),
    ),
    "verdict.over": (
        (
            "No: it is over the target of {target}. Of all {n} conversations that are decided {share} got theirs in "
            "time, {late} waited longer or got none."
        ),
        (
            "Hapana: imezidi lengo la {target}. Kati ya mazungumzo yote {n} yaliyoamuliwa {share} yalipata lake kwa "
            "wakati, {late} yalisubiri zaidi au hayakulipata."
        ),
    ),
    "info.base": ("Over", "Kati ya"),
    "info.window": ("Days", "Siku"),
    "info.coverage": ("Seen", "Imeonekana"),
    "seen.messages": (
        "{share} of the messages that should be there are fetched",
        "{share} ya ujumbe unaotarajiwa kuwepo umeletwa",
    ),
    "seen.now": (
        "{share} of the messages that should be there, today's with them, are fetched",
        "{share} ya ujumbe unaotarajiwa kuwepo, pamoja na wa leo, umeletwa",
    ),
    "seen.contacts": (
        "{share} of the contacts that the CRM says it has are fetched",
        "{share} ya wateja ambao CRM inasema inao wameletwa",
    ),
    "seen.campaigns": (
        "{share} of the campaigns that the CRM lists are fetched",
        "{share} ya kampeni zilizoorodheshwa na CRM zimeletwa",
    ),
    "seen.least": (
        "{share}, the smallest of the shares of messages, contacts and reports that are fetched",
        "{share}, ndogo zaidi kati ya sehemu za ujumbe, wateja na ripoti zilizoletwa",
    ),
    "seen.reports": (
        "{share} of the campaigns have a report that is newer than their last change",
        "{share} ya kampeni zina ripoti mpya kuliko badiliko lao la mwisho",
    ),
    "info.coverage.none": ("not known", "haijulikani"),
    "info.before": ("Before", "Kabla"),
    "info.version": ("Definition version {version}", "Toleo la maelezo {version}"),
    "info.rows": ("Rows behind this", "Safu zilizo nyuma ya takwimu hii"),
    "info.provisional": ("Provisional", "Ya muda"),
    "why.none": ("not known: nothing to measure in these days", "haijulikani: hakuna cha kupima katika siku hizi"),
    "why.unread": ("not known: too little is read so far", "haijulikani: bado yamesomwa machache mno"),
    "why.history": ("history is too short", "historia bado ni fupi"),
    # Windows.
    "tag.now": (
        "now",
        "sasa",
    ),
    "tag.30d": (
        "30 d",
        "siku 30",
    ),
    "window.days": ("last {n} full days, {from_} to {to}", "siku {n} kamili zilizopita, {from_} hadi {to}"),
    "window.range": ("{from_} to {to}", "{from_} hadi {to}"),
    "window.now": (
        "now, against the end of the day 7 days ago",
        "sasa, ikilinganishwa na mwisho wa siku 7 zilizopita",
    ),
    "window.now_only": ("now", "sasa"),
    "window.month": ("{month}, against the month before", "{month}, ikilinganishwa na mwezi uliotangulia"),
    "window.30d": (
        "settled campaigns of the last 30 full days, against the 30 before",
        "kampeni zilizokamilika za siku 30 zilizopita, ikilinganishwa na 30 zilizotangulia",
    ),
    # Bases: n, and of what.
    "base.first_answered": (
        "{n} first replies",
        "majibu ya kwanza {n}",
    ),
    "base.first_answered.one": (
        "1 first reply",
        "jibu la kwanza 1",
    ),
    "base.first_all": (
        "{n} conversations: {answered} got a first reply, {missed} were missed",
        "mazungumzo {n}: {answered} yalipata jibu la kwanza, {missed} hayakulipata",
    ),
    "base.first_all.one": (
        "1 conversation: {answered} got a first reply, {missed} were missed",
        "mazungumzo 1: {answered} yalipata jibu la kwanza, {missed} hayakulipata",
    ),
    "base.none": ("; {n} conversations got none", "; mazungumzo {n} hayakulipata"),
    "base.none.one": ("; 1 conversation got none", "; mazungumzo 1 hayakulipata"),
    "base.still": (
        "; {n} still wait for a first reply and are not in it yet: it can still move",
        "; {n} bado yanasubiri jibu la kwanza na hayamo bado: inaweza kubadilika",
    ),
    "base.still.one": (
        "; 1 still waits for a first reply and is not in it yet: it can still move",
        "; 1 bado linasubiri jibu la kwanza na halimo bado: inaweza kubadilika",
    ),
    "base.truncated.none": (
        "; nothing is left out for an unknown beginning",
        "; hakuna kilichoachwa kwa mwanzo usiojulikana",
    ),
    "base.truncated": (
        "; {n} messages that waited are left out, because the beginning of their conversation is not known",
        "; ujumbe {n} uliosubiri umeachwa, kwa kuwa mwanzo wa mazungumzo yake haujulikani",
    ),
    "base.truncated.one": (
        "; 1 message that waited is left out, because the beginning of its conversation is not known",
        "; ujumbe 1 uliosubiri umeachwa, kwa kuwa mwanzo wa mazungumzo yake haujulikani",
    ),
    "base.conversations": (
        "conversations that were resolved on these days",
        "mazungumzo yaliyotatuliwa siku hizi",
    ),
    "base.open": ("all chats, as far as each is known", "mazungumzo yote, kadiri kila moja linavyojulikana"),
    "base.contacts": ("all contacts present", "wateja wote waliopo"),
    "base.contacts_of": ("{n} contacts in all", "wateja {n} kwa jumla"),
    "base.growth": ("contacts at the start of the month: {n}", "wateja mwanzoni mwa mwezi: {n}"),
    "base.campaigns": ("{n} campaigns, {delivered} delivered messages", "kampeni {n}, ujumbe {delivered} uliofikishwa"),
    "base.campaigns.one": (
        "1 campaign, {delivered} delivered messages",
        "kampeni 1, ujumbe {delivered} uliofikishwa",
    ),
    "base.return": ("{n} campaigns with cost and value", "kampeni {n} zenye gharama na thamani"),
    "base.return.one": (
        "1 campaign with cost and value",
        "kampeni 1 yenye gharama na thamani",
    ),
    "base.delivered": ("messages delivered", "ujumbe uliofikishwa"),
    "base.all_campaigns": ("all campaigns the CRM lists", "kampeni zote zilizo kwenye CRM"),
    # Definitions, in the words of docs/definitions.md.
    "define.first_response": (
        (
            "How long customers wait for the first reply of a conversation: from their oldest message without a reply"
            " to the next reply by your team, day and night, weekends too. The figure is the median: of the first "
            "replies to what was asked on these days half came sooner, half later. A conversation begins when a chat "
            "was quiet for 24 hours. Not in it: chats that never got a reply (the answer rate tells those), chats "
            "still waiting, templates of campaigns, messages that failed, and conversations whose beginning is not "
            "known."
        ),
        (
            "Muda ambao wateja husubiri jibu la kwanza la mazungumzo: kutoka ujumbe wao wa zamani zaidi usio na jibu "
            "hadi jibu linalofuata la timu yako, mchana na usiku, hata wikendi. Takwimu ni thamani ya kati: kati ya "
            "majibu ya kwanza kwa yaliyoulizwa siku hizi, nusu yalikuja mapema zaidi na nusu baadaye. Mazungumzo "
            "huanza baada ya ukimya wa saa 24. Hayamo: yasiyojibiwa kabisa (tazama kiwango cha kujibiwa), "
            "yanayosubiri bado, violezo vya kampeni, ujumbe ulioshindwa, na mazungumzo ambayo mwanzo wake "
            "haujulikani."
        ),
    ),
    "define.bots": (
        "If bots reply, their replies count too: none is known; whoever runs the platform can name them.",
        "Roboti zikijibu, majibu yao pia huhesabiwa: hakuna inayojulikana; anayeendesha mfumo anaweza kuzitaja.",
    ),
    "define.bots.named": (
        "Messages of the senders known to be bots are no replies.",
        "Ujumbe wa watumaji wanaojulikana kuwa roboti si majibu.",
    ),
    "define.answer_rate": (
        (
            "Of the conversations that wanted a first reply and either got one or are over (missed), the share that "
            "got one. Chats that still wait count neither way. Higher is better."
        ),
        (
            "Kati ya mazungumzo yaliyohitaji jibu la kwanza na ama yakalipata au yakaisha bila jibu, sehemu iliyopata"
            " jibu. Yanayosubiri bado hayahesabiwi. Kubwa ni bora."
        ),
    ),
    "define.within_target": (
        (
            "Of the conversations that got a first reply or were missed, the share that got it within {target}. All "
            "of them would be 100 %; no other goal is set for it. Higher is better."
        ),
        (
            "Kati ya mazungumzo yaliyopata jibu la kwanza au kulikosa, sehemu iliyolipata ndani ya {target}. Yote "
            "yangekuwa 100 %; hakuna lengo jingine lililowekwa. Kubwa ni bora."
        ),
    ),
    "define.resolved": (
        (
            "Conversations that somebody marked as done, or that ended answered and stayed quiet for a day. More of "
            "them says little by itself: look at how many came in, and at the chats waiting."
        ),
        (
            "Mazungumzo yaliyowekwa alama ya kukamilika, au yaliyoisha yakiwa yamejibiwa na kukaa kimya kwa siku "
            "moja. Idadi pekee haitoshi: angalia pia yaliyoingia na yanayosubiri."
        ),
    ),
    "define.open_waits": (
        (
            "Customers who wrote and have no reply yet, in conversations that are not over. It is compared with the "
            "end of the day a week ago, which is another time of day."
        ),
        (
            "Wateja walioandika na bado hawajajibiwa, katika mazungumzo yasiyoisha. Inalinganishwa na mwisho wa siku "
            "wiki iliyopita, ambao ni wakati mwingine wa siku."
        ),
    ),
    "define.windows": (
        (
            "Of the chats waiting, those whose 24-hour window since the customer's last message lapses within two "
            "hours. After that WhatsApp allows templates only. Fewer is better."
        ),
        (
            "Kati ya mazungumzo yanayosubiri, yale ambayo dirisha la saa 24 tangu ujumbe wa mwisho wa mteja "
            "litafungwa ndani ya saa mbili. Baada ya hapo WhatsApp huruhusu violezo tu. Machache ni bora."
        ),
    ),
    "define.missed": (
        (
            "Conversations that wanted a first reply, got none and are over: quiet for more than 24 hours. Fewer is "
            "better."
        ),
        (
            "Mazungumzo yaliyohitaji jibu la kwanza, hayakulipata na yameisha: kimya kwa zaidi ya saa 24. Machache ni"
            " bora."
        ),
    ),
    "define.trailing": (
        (
            "A customer wrote once more after your reply, nobody wrote back, and the conversation is over. Mostly a "
            "thank-you, so it counts neither as answered nor as missed."
        ),
        (
            "Mteja aliandika tena baada ya jibu lako, hakuna aliyejibu, na mazungumzo yameisha. Mara nyingi ni "
            "shukrani, kwa hiyo hayahesabiwi kama yaliyojibiwa wala yaliyokosa jibu."
        ),
    ),
    "define.total_contacts": (
        "Contacts the CRM lists now. Who was missing from two complete counts running has left.",
        "Wateja walio kwenye CRM sasa. Asiyeonekana katika hesabu mbili kamili mfululizo ameondoka.",
    ),
    "define.active_30d": (
        "Contacts who wrote at least once in the last 30 full days. Receiving a campaign makes nobody active.",
        (
            "Wateja walioandika angalau mara moja katika siku 30 kamili zilizopita. Kupokea kampeni hakumfanyi mtu "
            "kuwa hai."
        ),
    ),
    "define.growth": (
        "Contacts at the end of the last complete month against its start. Higher is better.",
        "Wateja mwishoni mwa mwezi uliokamilika ikilinganishwa na mwanzo wake. Kubwa ni bora.",
    ),
    "define.active_campaigns": ("Campaigns that are active or in progress now.", "Kampeni zinazoendelea sasa."),
    "define.read_rate": (
        (
            "Of the messages delivered by the campaigns sent on these days, the share that was read. Campaigns that "
            "are not settled are in it: their rates still rise. Readers who hide their read receipts count as not "
            "read. Higher is better."
        ),
        (
            "Kati ya ujumbe uliofikishwa wa kampeni zilizotumwa siku hizi, sehemu iliyosomwa. Kampeni zisizotulia "
            "zimo: viwango vyake bado vinapanda. Wanaoficha alama ya kusoma huhesabiwa hawajasoma. Kubwa ni bora."
        ),
    ),
    "define.read_rate_settled": (
        (
            "Of the messages delivered by settled campaigns of the last 30 full days, the share that was read. "
            "Settled: completed or failed, and sent at least 72 hours ago. The campaigns page counts those that are "
            "not settled too, so its rate differs. Higher is better."
        ),
        (
            "Kati ya ujumbe uliofikishwa wa kampeni zilizotulia za siku 30 kamili zilizopita, sehemu iliyosomwa. "
            "Zilizotulia: zimekamilika au kushindwa, na zilitumwa angalau saa 72 zilizopita. Ukurasa wa kampeni "
            "huhesabu pia zisizotulia, kwa hiyo kiwango chake ni tofauti. Kubwa ni bora."
        ),
    ),
    "define.reply_rate_settled": (
        (
            "Of the messages delivered by settled campaigns of the last 30 full days, the share that got a reply. "
            "Settled: completed or failed, and sent at least 72 hours ago. Higher is better."
        ),
        (
            "Kati ya ujumbe uliofikishwa wa kampeni zilizotulia za siku 30 kamili zilizopita, sehemu iliyopata jibu. "
            "Zilizotulia: zimekamilika au kushindwa, na zilitumwa angalau saa 72 zilizopita. Kubwa ni bora."
        ),
    ),
    "define.reply_rate": (
        (
            "Of the messages delivered by the campaigns sent on these days, the share that got a reply. Campaigns "
            "that are not settled are in it: their rates still rise. Higher is better."
        ),
        (
            "Kati ya ujumbe uliofikishwa wa kampeni zilizotumwa siku hizi, sehemu iliyopata jibu. Kampeni zisizotulia"
            " zimo: viwango vyake bado vinapanda. Kubwa ni bora."
        ),
    ),
    "define.delivery_rate": (
        "Of the recipients of campaigns, the share whose message was delivered. Higher is better.",
        "Kati ya wapokeaji wa kampeni, sehemu ambayo ujumbe wao ulifikishwa. Kubwa ni bora.",
    ),
    "define.campaigns": (
        (
            "Campaigns sent on these days that have recipients and a report that does not contradict itself; drafts "
            "and scheduled ones are not sent yet."
        ),
        (
            "Kampeni zilizotumwa siku hizi zenye wapokeaji na ripoti isiyojipinga; rasimu na zilizopangwa bado "
            "hazijatumwa."
        ),
    ),
    "define.recipients": (
        "People these campaigns were sent to, counted once a campaign.",
        "Watu waliotumiwa kampeni hizi, mara moja kwa kila kampeni.",
    ),
    "define.return": (
        "Value gained less cost, over cost, of the campaigns whose cost and value are given in campaign_costs.csv.",
        (
            "Thamani iliyopatikana toa gharama, kwa gharama, ya kampeni zenye gharama na thamani katika "
            "campaign_costs.csv."
        ),
    ),
    # What each figure is for.
    "use.title": ("What the figures mean", "Maana ya takwimu"),
    "use.intro": (
        (
            "What each figure on these pages says, and what it is good for. No figure is an average of averages, none"
            " is filled in: what is not known is a dash, with the reason."
        ),
        (
            "Kila takwimu kwenye kurasa hizi inasema nini, na ni ya nini. Hakuna takwimu iliyo wastani wa wastani, "
            "wala iliyojazwa kwa kukisia: kisichojulikana ni kistari, pamoja na sababu."
        ),
    ),
    "use.group.support": ("Support", "Huduma"),
    "use.group.contacts": ("Contacts", "Wateja"),
    "use.group.campaigns": ("Campaigns", "Kampeni"),
    "use.for": ("Good for", "Inafaa kwa"),
    "use.first_response": (
        (
            "Seeing whether customers are kept waiting. Compare it with the target, and look at the chart by day "
            "before blaming anybody: on a day when nobody works the wait lasts until the next morning."
        ),
        (
            "Kuona kama wateja wanasubirishwa. Linganisha na lengo, na angalia chati ya kila siku kabla ya kulaumu: "
            "siku ambayo hakuna anayefanya kazi, kusubiri huendelea hadi asubuhi."
        ),
    ),
    "use.within_target": (
        "Seeing whether the promise is kept. It moves when a few replies are late, before the median does.",
        "Kuona kama ahadi inatimizwa. Hubadilika majibu machache yakichelewa, kabla ya thamani ya kati.",
    ),
    "use.answer_rate": (
        (
            "Seeing whether anybody is forgotten. A quick median with a low answer rate means that the easy chats "
            "are answered."
        ),
        (
            "Kuona kama kuna waliosahaulika. Jibu la haraka na kiwango kidogo cha kujibiwa humaanisha mazungumzo "
            "rahisi tu hujibiwa."
        ),
    ),
    "use.missed": (
        (
            "Finding days on which nobody answers. These chats are in no response time, so a day can look quick and "
            "still leave half of its customers alone."
        ),
        (
            "Kupata siku ambazo hakuna anayejibu. Mazungumzo haya hayamo kwenye muda wa majibu, kwa hiyo siku inaweza"
            " kuonekana ya haraka na bado kuwaacha nusu ya wateja."
        ),
    ),
    "use.trailing": (
        "Nothing to chase: they are shown so that the counts add up.",
        "Hakuna cha kufuatilia: zinaonyeshwa ili hesabu zikamilike.",
    ),
    "use.open_waits": (
        "Deciding who answers next. The chart of ages tells how many are old.",
        "Kuamua nani ajibiwe. Chati ya umri inaonyesha ni wangapi wamesubiri muda mrefu.",
    ),
    "use.windows": (
        "Answering these first: in two hours only a paid template can reach them.",
        "Kuwajibu hawa kwanza: baada ya saa mbili ni kiolezo cha kulipia tu kitawafikia.",
    ),
    "use.resolved": (
        "Seeing how much is brought to an end. Read it beside the chats waiting.",
        "Kuona ni kiasi gani kinakamilishwa. Isome pamoja na mazungumzo yanayosubiri.",
    ),
    "use.total_contacts": ("Knowing the size of the audience.", "Kujua ukubwa wa hadhira."),
    "use.growth": (
        "Seeing whether the audience grows, month by month. The running month is not in it.",
        "Kuona kama hadhira inakua mwezi kwa mwezi. Mwezi unaoendelea haumo.",
    ),
    "use.active_30d": (
        "Knowing how much of a segment still talks to you.",
        "Kujua ni sehemu gani ya kundi bado inawasiliana nawe.",
    ),
    "use.campaigns": ("Knowing how much the rates rest on.", "Kujua viwango vinategemea kampeni ngapi."),
    "use.recipients": ("Knowing how many were reached for.", "Kujua wangapi walilengwa."),
    "use.delivery_rate": (
        "Finding dead numbers and blocked templates.",
        "Kupata namba zisizofanya kazi na violezo vilivyozuiwa.",
    ),
    "use.read_rate": (
        (
            "Judging subject and time of sending. Choose campaigns and compare them: the page says whether the "
            "difference may be chance."
        ),
        (
            "Kupima mada na wakati wa kutuma. Chagua kampeni na uzilinganishe: ukurasa unasema kama tofauti huenda ni"
            " bahati."
        ),
    ),
    "use.reply_rate": (
        "Judging whether a campaign starts conversations. A delivered campaign needs three days to settle.",
        "Kupima kama kampeni huanzisha mazungumzo. Kampeni huhitaji siku tatu kutulia.",
    ),
    "use.read_rate_settled": (
        "Comparing months: only campaigns whose numbers have come to rest are in it.",
        "Kulinganisha miezi: zimo kampeni ambazo namba zake zimetulia tu.",
    ),
    "use.reply_rate_settled": (
        "Comparing months: only campaigns whose numbers have come to rest are in it.",
        "Kulinganisha miezi: zimo kampeni ambazo namba zake zimetulia tu.",
    ),
    "use.active_campaigns": ("Knowing what is being sent now.", "Kujua kinachotumwa sasa."),
    "use.return": (
        (
            "Judging what campaigns bring, if you keep campaign_costs.csv in the data folder: campaign_id or name, "
            "cost, value, currency. Without the file it is not shown."
        ),
        (
            "Kupima faida ya kampeni, ukiweka campaign_costs.csv kwenye folda ya data: campaign_id au name, cost, "
            "value, currency. Bila faili hiyo haionyeshwi."
        ),
    ),
    "use.reading": ("How to read the pages", "Jinsi ya kusoma kurasa"),
    "use.reading.median": (
        "Median: half are below it, half above. One very late reply does not move it.",
        "Thamani ya kati: nusu ziko chini, nusu juu. Jibu moja lililochelewa sana haliibadilishi.",
    ),
    "use.reading.p90": (
        "9 of 10: nine of ten first replies took at most so long, one of ten took longer.",
        "9 kati ya 10: majibu tisa kati ya kumi yalichukua muda huo au pungufu, moja lilichukua zaidi.",
    ),
    "use.reading.points": (
        (
            "pp: percentage points. From 40 % to 42 % is 2 pp. A change of less than half a point, or of less than 1 "
            "% of anything but a rate, is called about the same."
        ),
        (
            "pp: pointi za asilimia. Kutoka 40 % hadi 42 % ni 2 pp. Badiliko la chini ya nusu pointi, au la chini ya "
            "1 % kwa kisicho kiwango, huitwa karibu sawa."
        ),
    ),
    "use.reading.seen": (
        "Seen: the share of the messages that the platform has fetched so far. Under 95 % figures are provisional.",
        "Imeonekana: sehemu ya ujumbe ambayo mfumo umeleta hadi sasa. Chini ya 95 % takwimu ni za muda.",
    ),
    "use.reading.conversation": (
        (
            "Chat: everything with one customer, for life. Conversation: a part of it, from the first message after "
            "24 quiet hours to the next such pause. Wait: from a customer's message to the reply; a conversation can "
            "hold several, the first one counts for the first response time."
        ),
        (
            "Mazungumzo na mteja mmoja hudumu daima; hapa mazungumzo ni sehemu yake, kutoka ujumbe wa kwanza baada ya"
            " ukimya wa saa 24 hadi ukimya mwingine kama huo. Kusubiri: kutoka ujumbe wa mteja hadi jibu; mazungumzo "
            "yanaweza kuwa na kadhaa, kwa muda wa jibu la kwanza huhesabiwa la kwanza."
        ),
    ),
    "use.reading.settled": (
        (
            "Settled: a campaign that is completed or failed and was sent at least 72 hours ago. Before that its "
            "numbers still rise."
        ),
        (
            "Imetulia: kampeni iliyokamilika au kushindwa na iliyotumwa angalau saa 72 zilizopita. Kabla ya hapo "
            "namba zake bado zinapanda."
        ),
    ),
    "use.reading.named": (
        "Nobody named: replies that the CRM hands over without saying who wrote them. The platform does not guess.",
        "Hakuna aliyetajwa: majibu ambayo CRM inayatoa bila kusema nani aliandika. Mfumo haubahatishi.",
    ),
    "use.reading.window": (
        (
            "Window: WhatsApp lets you write freely for 24 hours after the customer's last message. Later only a "
            "template reaches them."
        ),
        (
            "Dirisha: WhatsApp hukuruhusu kuandika kwa uhuru kwa saa 24 baada ya ujumbe wa mwisho wa mteja. Baadaye "
            "ni kiolezo tu kinachomfikia."
        ),
    ),
    "use.reading.hatched": (
        "A hatched underline: the figure is provisional, it may still move.",
        "Mstari wenye michirizi chini ya takwimu: ni ya muda, inaweza kubadilika.",
    ),
    "use.reading.hollow": (
        "A hollow point or column: the day or month is not over.",
        "Nukta au nguzo tupu: siku au mwezi haujaisha.",
    ),
    "use.reading.interval": (
        "A thin bar over a rate: where the true rate lies, 95 times in 100. Long when few people are behind it.",
        (
            "Mstari mwembamba juu ya kiwango: mahali kiwango halisi kilipo, mara 95 kati ya 100. Mrefu kukiwa na "
            "watu wachache."
        ),
    ),
    # Charts.
    "chart.table": ("Table", "Jedwali"),
    "chart.csv": ("CSV", "CSV"),
    "chart.png": ("PNG", "PNG"),
    "chart.link": ("Copy link", "Nakili kiungo"),
    "chart.link.done": ("Link copied", "Kiungo kimenakiliwa"),
    "chart.open": ("hollow: day not complete", "tupu: siku haijakamilika"),
    "chart.shaded": ("shaded: the chosen days", "kivuli: siku zilizochaguliwa"),
    "chart.log": ("logarithmic scale", "kipimo cha logariti"),
    "chart.target": ("target {target}", "lengo {target}"),
    "word.median": ("median", "thamani ya kati"),
    "word.p90": ("9 of 10", "9 kati ya 10"),
    "word.read": ("read", "uliosomwa"),
    "word.replied": ("replied", "uliojibiwa"),
    "word.contacts": ("contacts", "wateja"),
    "word.per_day": ("per day", "kwa siku"),
    "chart.first_response": (
        "How long did customers wait for the first reply?",
        "Wateja walisubiri jibu la kwanza kwa muda gani?",
    ),
    "chart.first_response.sub": (
        "First response time by the day the customer wrote, median over the first replies",
        "Muda wa jibu la kwanza kwa siku mteja alipoandika, thamani ya kati ya majibu ya kwanza",
    ),
    "chart.contacts_monthly": ("Is the audience growing?", "Je, idadi ya wateja inakua?"),
    "chart.contacts_monthly.sub": (
        "Contacts at the end of each month; growth against its start above",
        "Wateja mwishoni mwa kila mwezi; ukuaji tangu mwanzo wake juu",
    ),
    "chart.new_contacts": ("How many are new?", "Wapya ni wangapi?"),
    "chart.new_contacts.sub": ("New contacts per day", "Wateja wapya kwa siku"),
    "chart.engagement": ("Do people read and answer campaigns?", "Je, watu husoma na kujibu kampeni?"),
    "chart.engagement.sub": (
        "Read and replied, in % of messages delivered, by month of sending; all campaigns with a consistent report",
        "Uliosomwa na uliojibiwa, % ya ujumbe uliofikishwa, kwa mwezi wa kutumwa; kampeni zote zenye ripoti sahihi",
    ),
    "chart.segments": ("Who are the contacts, by {field}?", "Wateja ni akina nani, kwa {field}?"),
    "chart.segments.sub": ("Contacts now, and their share of all", "Wateja sasa, na sehemu yao ya wote"),
    "chart.countries": ("Where are they from?", "Wanatoka wapi?"),
    "chart.countries.sub": (
        "Contacts now by country of their number, and their share of all",
        "Wateja sasa kwa nchi ya namba yao, na sehemu yao ya wote",
    ),
    "chart.changes": ("What changed", "Nini kimebadilika"),
    "chart.within_target": (
        "Are replies in time?",
        "Je, majibu huja kwa wakati?",
    ),
    "chart.within_target.sub": (
        "First replies within {target}, in % of conversations that got one or were missed",
        "Majibu ya kwanza ndani ya {target}, % ya mazungumzo yaliyolipata au kulikosa",
    ),
    "chart.spread": ("How are first replies spread?", "Majibu ya kwanza yametawanyika vipi?"),
    "chart.spread.sub": (
        "Conversations by the time to their first reply, {window}",
        "Mazungumzo kwa muda hadi jibu la kwanza, {window}",
    ),
    "chart.outcomes": ("What became of the waits?", "Kusubiri kuliishaje?"),
    "chart.outcomes.sub": (
        (
            "Waits by the day they began. Missed: no first reply, and the conversation is over. Thanks and the like: "
            "a last word after your reply"
        ),
        (
            "Kusubiri kwa siku kulipoanza. Hakukujibiwa: hakuna jibu la kwanza, na mazungumzo yameisha. Shukrani na "
            "kadhalika: neno la mwisho baada ya jibu lako"
        ),
    ),
    "chart.resolved": ("Are chats brought to an end?", "Je, mazungumzo yanakamilishwa?"),
    "chart.resolved.sub": ("Conversations resolved per day", "Mazungumzo yaliyotatuliwa kwa siku"),
    "chart.resolution": ("How long until a chat is resolved?", "Huchukua muda gani hadi kutatuliwa?"),
    "chart.resolution.sub": (
        "From the first message to the end, median over the conversations resolved that day",
        "Kutoka ujumbe wa kwanza hadi mwisho, thamani ya kati ya mazungumzo yaliyotatuliwa siku hiyo",
    ),
    "key.operator": ("marked as done", "yaliyowekwa alama"),
    "key.quiet": ("ended answered", "yaliyoisha yakiwa yamejibiwa"),
    "col.unresolved": ("Ended missed", "Yaliyoisha bila jibu"),
    "chart.backlog": ("How many are left at the end of the day?", "Ni wangapi wanabaki mwisho wa siku?"),
    "chart.backlog.sub": ("Chats waiting at the end of each day", "Mazungumzo yanayosubiri mwisho wa kila siku"),
    "chart.ages": ("How long have those who wait now waited?", "Wanaosubiri sasa wamesubiri kwa muda gani?"),
    "chart.ages.sub": (
        "Chats waiting now, by the age of the oldest message without a reply; the 24-hour window runs from the newest",
        "Yanayosubiri sasa, kwa umri wa ujumbe wa zamani zaidi usiojibiwa; dirisha la saa 24 huanza na mpya zaidi",
    ),
    "chart.changes.sub": (
        "Against as many days before, or a week ago for what is of now; what got worse stands first",
        "Ikilinganishwa na siku kama hizo zilizotangulia, au wiki iliyopita kwa ya sasa; kilichozorota kwanza",
    ),
    "chart.volume": ("When do customers write?", "Wateja huandika lini?"),
    "chart.volume.sub": (
        "Messages from contacts by weekday and hour, last 84 full days",
        "Ujumbe kutoka kwa wateja kwa siku ya wiki na saa, siku 84 kamili zilizopita",
    ),
    "chart.agents": ("Who did what?", "Nani alifanya nini?"),
    "chart.agents.sub": (
        (
            "Agents, last {n} full days. Only {share} of the replies name who wrote them, so compare with care: the "
            "others stand as nobody named"
        ),
        (
            "Wahudumu, siku {n} kamili zilizopita. {share} tu ya majibu yanamtaja mwandishi, kwa hiyo linganisha kwa "
            "uangalifu: mengine yako kwa hakuna aliyetajwa"
        ),
    ),
    "chart.agents.other": (
        " · not the chosen days",
        " · si siku zilizochaguliwa",
    ),
    "chart.agents.sub.none": ("Agents, last {n} full days", "Wahudumu, siku {n} kamili zilizopita"),
    "key.answered": ("answered", "kulijibiwa"),
    "key.trailing": ("thanks and the like", "shukrani na kadhalika"),
    "key.open": ("still waiting", "bado kunasubiri"),
    "key.missed": (
        "missed",
        "bila jibu",
    ),
    "key.inside": ("within {target}", "ndani ya {target}"),
    "key.later": ("later", "baadaye"),
    "band.under": ("< {high}", "< {high}"),
    "band.over": ("> {low}", "> {low}"),
    "band.missed": ("missed", "bila jibu"),
    "legend.low": ("low", "chini"),
    "legend.high": ("high", "juu"),
    "legend.none": ("no data", "hakuna data"),
    "chart.funnel": ("How far do campaigns get?", "Kampeni zinafika wapi?"),
    "chart.funnel.sub": (
        "Recipients, counted once a campaign, over the {n} campaigns counted above",
        "Wapokeaji, mara moja kwa kila kampeni, kwa kampeni {n} zilizohesabiwa juu",
    ),
    "chart.funnel.sub.one": (
        "Recipients of the one campaign counted above",
        "Wapokeaji wa kampeni moja iliyohesabiwa juu",
    ),
    "chart.funnel.note": (
        "delivered in % of recipients, read and replied in % of delivered",
        "uliofikishwa kwa % ya wapokeaji, uliosomwa na uliojibiwa kwa % ya uliofikishwa",
    ),
    "chart.send_time.none": (
        "No best time to send yet: not enough data",
        "Bado hakuna wakati bora wa kutuma: data haitoshi",
    ),
    "chart.send_time.best": (
        "Read most when sent on {weekday} at {hour}",
        "Husomwa zaidi ikitumwa {weekday} saa {hour}",
    ),
    "chart.send_time.sub": (
        (
            "Read in % of delivered by weekday and hour of sending, over all campaigns; few messages are drawn "
            "towards the mean of all"
        ),
        (
            "Uliosomwa kwa % ya uliofikishwa kwa siku na saa ya kutuma, kampeni zote; penye ujumbe mchache huvutwa "
            "kuelekea wastani wa zote"
        ),
    ),
    "chart.send_time.note": (
        "struck through: not enough data (fewer than 3 campaigns or 1,000 delivered)",
        "iliyokatwa: data haitoshi (chini ya kampeni 3 au ujumbe 1,000)",
    ),
    "chart.campaigns": ("Campaigns side by side", "Kampeni kando kwa kando"),
    "chart.campaigns.sub": (
        (
            "Delivered in % of recipients; read and replied in % of delivered; bars with their 95 % interval (reply "
            "bars end at 25 %)"
        ),
        (
            "Uliofikishwa kwa % ya wapokeaji; uliosomwa na uliojibiwa kwa % ya uliofikishwa; na upeo wa 95 % (pau za "
            "majibu huishia 25 %)"
        ),
    ),
    "chart.compare.sub": ("Share with its 95 % interval", "Sehemu na upeo wake wa 95 %"),
    "compare.title": ("{n} campaigns compared", "Kampeni {n} zikilinganishwa"),
    "compare.do": ("Compare chosen", "Linganisha zilizochaguliwa"),
    "compare.end": ("End comparison", "Maliza ulinganisho"),
    "compare.pick": ("Compare {name}", "Linganisha {name}"),
    "search": ("Find a campaign", "Tafuta kampeni"),
    "search.do": ("Find", "Tafuta"),
    "pages.of": ("{from_} to {to} of {n}", "{from_} hadi {to} kati ya {n}"),
    "pages.back": ("Back", "Nyuma"),
    "pages.next": ("Next", "Mbele"),
    "sort.by": ("Sort by {name}", "Panga kwa {name}"),
    "step.total_recipients": ("Recipients", "Wapokeaji"),
    "step.delivered": ("Delivered", "Uliofikishwa"),
    "step.read": ("Read", "Uliosomwa"),
    "step.replied": ("Replied", "Uliojibiwa"),
    "flag.inconsistent": ("contradicts itself", "inajipinga"),
    "flag.unsettled": ("not settled", "haijatulia"),
    "flag.unsent": (
        "not sent yet",
        "bado haijatumwa",
    ),
    "flag.outside": (
        "not in the sums above",
        "haimo kwenye jumla ya juu",
    ),
    "flag.unsettled.why": (
        "Its numbers still rise: settled is what is completed or failed and was sent at least 72 hours ago.",
        "Namba zake bado zinapanda: iliyotulia imekamilika au kushindwa na ilitumwa angalau saa 72 zilizopita.",
    ),
    "flag.outside.why": (
        "The sums hold campaigns of complete days, with recipients and a report that does not contradict itself.",
        "Jumla ina kampeni za siku kamili, zenye wapokeaji na ripoti isiyojipinga.",
    ),
    "flag.inconsistent.why": (
        (
            "Its report says what cannot be, such as more read than delivered. It is shown as the CRM gave it and is "
            "in no sum."
        ),
        (
            "Ripoti yake inasema kisichowezekana, kama uliosomwa kuzidi uliofikishwa. Inaonyeshwa kama CRM ilivyoitoa"
            " na haimo kwenye jumla."
        ),
    ),
    "flag.gap.why": (
        "The CRM's own rate text differs from the rate that follows from its counts.",
        "Kiwango kilichoandikwa na CRM kinatofautiana na kile kinachotokana na hesabu zake.",
    ),
    "flag.unreported": ("no report yet", "bado hakuna ripoti"),
    "flag.gap": ("CRM says {gap} otherwise", "CRM inasema tofauti kwa {gap}"),
    "status.value.draft": ("draft", "rasimu"),
    "status.value.scheduled": ("scheduled", "imepangwa"),
    "status.value.active": ("active", "inaendelea"),
    "status.value.in_progress": ("in progress", "inatumwa"),
    "status.value.paused": ("paused", "imesimamishwa"),
    "status.value.completed": ("completed", "imekamilika"),
    "status.value.failed": ("failed", "imeshindwa"),
    "status.value.cancelled": ("cancelled", "imefutwa"),
    # Columns of tables.
    "col.name": ("Name", "Jina"),
    "col.status": ("Status", "Hali"),
    "col.sent": ("Sent", "Ilitumwa"),
    "col.step": ("Step", "Hatua"),
    "col.people": (
        "Recipients",
        "Wapokeaji",
    ),
    "col.low": ("At least", "Angalau"),
    "col.high": ("At most", "Isizidi"),
    "col.read_shrunk": ("Read rate, evened out", "Kusomwa, kumesawazishwa"),
    "col.reply_shrunk": ("Reply rate, evened out", "Kujibiwa, kumesawazishwa"),
    "col.enough": ("Enough data", "Data inatosha"),
    "col.flags": ("To know", "Ya kujua"),
    "col.cost": ("Cost", "Gharama"),
    "col.worth": ("Value", "Thamani"),
    "col.return": ("Return", "Faida"),
    "col.currency": ("Currency", "Sarafu"),
    "value.yes": ("yes", "ndiyo"),
    "value.no": ("no", "hapana"),
    "col.waits": ("Waits", "Kusubiri"),
    "col.answered": ("Answered", "Kulijibiwa"),
    "col.waiting": ("Waiting", "Kunasubiri"),
    "col.trailing": ("Thanks", "Shukrani"),
    "col.left": ("Left at the end", "Wanaobaki"),
    "col.oldest": ("Oldest wait", "Kusubiri kwa muda mrefu"),
    "col.band": ("Time", "Muda"),
    "col.conversations": (
        "Conversations",
        "Mazungumzo",
    ),
    "col.chats": ("Chats", "Mazungumzo"),
    "col.weekday": ("Weekday", "Siku ya wiki"),
    "col.hour": ("Hour", "Saa"),
    "col.inbound": ("From contacts", "Kutoka kwa wateja"),
    "col.replies": ("Replies", "Majibu"),
    "col.templates": ("Templates", "Violezo"),
    "col.agent": ("Agent", "Mhudumu"),
    "col.assigned": ("Chats assigned", "Yaliyokabidhiwa"),
    "col.resolved": ("Chats resolved", "Yaliyotatuliwa"),
    "col.first_replies": ("Over first replies", "Kati ya majibu ya kwanza"),
    "col.first_median": ("First response, median", "Jibu la kwanza, thamani ya kati"),
    "value.unassigned": ("nobody named", "hakuna aliyetajwa"),
    "col.day": ("Day", "Siku"),
    "col.month": ("Month", "Mwezi"),
    "col.median": ("Median", "Thamani ya kati"),
    "col.p90": ("9 of 10 within", "9 kati ya 10 ndani ya"),
    "col.first_answered": ("First answered", "Majibu ya kwanza"),
    "col.missed": ("Missed", "Bila jibu"),
    "col.within": ("Within target", "Ndani ya lengo"),
    "col.coverage": ("Seen", "Imeonekana"),
    "col.opening": ("At the start", "Mwanzoni"),
    "col.new": ("New", "Wapya"),
    "col.gone": ("Gone", "Walioondoka"),
    "col.closing": ("At the end", "Mwishoni"),
    "col.growth": ("Growth", "Ukuaji"),
    "col.contacts": ("Contacts", "Wateja"),
    "col.share": ("Share", "Sehemu"),
    "col.active": ("Active in 30 d", "Hai siku 30"),
    "col.value": ("Value", "Thamani"),
    "col.field": ("Field", "Sehemu ya taarifa"),
    "col.country": ("Country", "Nchi"),
    "col.campaigns": ("Campaigns", "Kampeni"),
    "col.delivered": ("Delivered", "Uliofikishwa"),
    "col.read": ("Read", "Uliosomwa"),
    "col.replied": ("Replied", "Uliojibiwa"),
    "col.read_rate": ("Read rate", "Kiwango cha kusomwa"),
    "col.reply_rate": ("Reply rate", "Kiwango cha kujibiwa"),
    "value.none": ("none given", "haijatajwa"),
    "value.other": ("all others", "wengine wote"),
    "value.unknown": ("not known", "haijulikani"),
    # Sentences.
    "say.first_response": (
        "First replies took {value} at the median {when}",
        "Majibu ya kwanza yalichukua {value} kwa thamani ya kati {when}",
    ),
    "say.faster": (", {change} faster than {before}", ", {change} haraka zaidi kuliko {before}"),
    "say.slower": (", {change} slower than {before}", ", {change} polepole zaidi kuliko {before}"),
    "say.same": (
        ", much as in {before}",
        ", karibu kama {before}",
    ),
    "say.no_response": (
        "Nobody had to be answered {when}",
        "Hakuna aliyehitaji kujibiwa {when}",
    ),
    "say.no_response.unread": (
        "Of what is read so far, nobody had to be answered {when}",
        "Katika yaliyosomwa hadi sasa, hakuna aliyehitaji kujibiwa {when}",
    ),
    "say.unknown": (
        "Nothing is known of the messages {when}: the oldest day that is known is {day}",
        "Hakuna kinachojulikana cha ujumbe {when}: siku ya zamani zaidi inayojulikana ni {day}",
    ),
    "say.waiting": ("{n} chats wait now", "Mazungumzo {n} yanasubiri sasa"),
    "say.waiting.one": ("1 chat waits now", "Mazungumzo 1 yanasubiri sasa"),
    "say.waiting.none": ("No chat waits now", "Hakuna mazungumzo yanayosubiri sasa"),
    "say.waiting.unread": (
        "Of what is read so far, no chat waits now",
        "Katika yaliyosomwa hadi sasa, hakuna mazungumzo yanayosubiri",
    ),
    "say.windows": (", {n} of them lose their window within 2 hours", ", {n} kati yao hupoteza dirisha ndani ya saa 2"),
    "say.windows.one": (", 1 of them loses its window within 2 hours", ", 1 kati yao hupoteza dirisha ndani ya saa 2"),
    "say.outcome": (
        "{share} of the conversations got theirs within the target of {target}, {n} of {of} got none",
        "{share} ya mazungumzo yalipata lake ndani ya lengo la {target}, {n} kati ya {of} hayakupata jibu",
    ),
    "say.outcome.one": (
        "{share} of the conversations got theirs within the target of {target}, 1 of {of} got none",
        "{share} ya mazungumzo yalipata lake ndani ya lengo la {target}, 1 kati ya {of} hayakupata jibu",
    ),
    "say.worst": (
        "On {day} {share} got none ({from_} to {to}), more than on any other weekday",
        "Siku za {day}, {share} hayakupata jibu ({from_} hadi {to}), zaidi ya siku nyingine yoyote",
    ),
    "say.campaigns": (
        "{n} campaigns went to {recipients} recipients {when}",
        "Kampeni {n} zilitumwa kwa wapokeaji {recipients} {when}",
    ),
    "say.campaigns.one": (
        "1 campaign went to {recipients} recipients {when}",
        "Kampeni 1 ilitumwa kwa wapokeaji {recipients} {when}",
    ),
    "say.campaigns.chosen": (
        "Campaigns chosen: {n}, to {recipients} recipients",
        "Kampeni zilizochaguliwa: {n}, kwa wapokeaji {recipients}",
    ),
    "say.no_campaigns": ("No campaign that counts was sent {when}.", "Hakuna kampeni inayohesabiwa iliyotumwa {when}."),
    "say.read": (
        "Of what was delivered {read} was read and {reply} answered",
        "Kati ya uliofikishwa, {read} ulisomwa na {reply} ulijibiwa",
    ),
    "say.read.more": ("; {change} more was read than {before}", "; uliosomwa ni {change} zaidi kuliko {before}"),
    "say.read.fewer": ("; {change} less was read than {before}", "; uliosomwa ni {change} pungufu kuliko {before}"),
    "sent.planned": ("due {time}", "itatumwa {time}"),
    "say.unsettled": (
        "{n} of them are not settled: their figures still rise",
        "{n} kati yake hazijatulia: takwimu zake bado zinapanda",
    ),
    "say.unsettled.one": (
        "1 of them is not settled: its figures still rise",
        "1 kati yake haijatulia: takwimu zake bado zinapanda",
    ),
    "say.compare.clear": (
        "{name} is {what} more often than {other}: {change} more, with 95 % certainty between {low} and {high}.",
        "{name} {what} zaidi kuliko {other}: kwa {change}, kwa uhakika wa 95 % kati ya {low} na {high}.",
    ),
    "say.compare.unclear": (
        (
            "{name} is {what} most, but the lead over {other} may be chance: {change} more, with 95 % certainty "
            "between {low} and {high}."
        ),
        (
            "{name} {what} zaidi, lakini tofauti na {other} huenda ni bahati: {change} zaidi, kwa uhakika wa 95 % "
            "kati ya {low} na {high}."
        ),
    ),
    "compare.read": (
        "read",
        "husomwa",
    ),
    "compare.replied": (
        "answered",
        "hujibiwa",
    ),
    "compare.few": (
        "Choose two or more campaigns to compare.",
        "Chagua kampeni mbili au zaidi kulinganisha.",
    ),
    "search.none": (
        "No campaign of these days is named like “{name}”.",
        "Hakuna kampeni ya siku hizi yenye jina kama “{name}”.",
    ),
    "return.none": (
        "No return is shown: costs and values are not given.",
        "Faida haionyeshwi: gharama na thamani hazijatolewa.",
    ),
    "say.contacts": ("{n} contacts", "Wateja {n}"),
    "say.contacts.one": (
        "1 contact",
        "Mteja 1",
    ),
    "say.contacts.of": (
        "{part} of the {n} contacts are {name}",
        "Wateja {part} kati ya {n} ni {name}",
    ),
    "say.contacts.of.one": (
        "{part} of 1 contact is {name}",
        "Mteja {part} kati ya 1 ni {name}",
    ),
    "say.joined": (
        ", {n} joined {when}",
        ", {n} walijiunga {when}",
    ),
    "say.joined.one": (
        ", 1 joined {when}",
        ", 1 alijiunga {when}",
    ),
    "say.new": (
        "{n} {when}",
        "{n} {when}",
    ),
    "say.new.one": (
        "1 {when}",
        "1 {when}",
    ),
    "when.days": ("in the last {n} days", "katika siku {n} zilizopita"),
    "when.day": (
        "on {day}",
        "tarehe {day}",
    ),
    "when.before": ("in the {n} days before", "katika siku {n} zilizotangulia"),
    "when.before.one": (
        "the day before",
        "siku iliyotangulia",
    ),
    "when.range": ("from {from_} to {to}", "kuanzia {from_} hadi {to}"),
    "change.better": (
        "{name} got better: {value}, was {before}.",
        "{name}: {value}, bora kuliko {before}.",
    ),
    "change.worse": (
        "{name} got worse: {value}, was {before}.",
        "{name}: {value}, mbaya kuliko {before}.",
    ),
    "change.more": ("{name}: {value}, up from {before}.", "{name}: {value}, kutoka {before}."),
    "change.fewer": ("{name}: {value}, down from {before}.", "{name}: {value}, kutoka {before}."),
    "change.none": ("Nothing moved that can be compared.", "Hakuna kilichobadilika kinachoweza kulinganishwa."),
}


def say(language: Language, key: str, **places: object) -> str:
    """Words of a key with its places filled."""
    words = WORDS[key][0 if language == "en" else 1]
    return words.format(**places) if places else words


class BadAddress(CrmPlatformError):
    """The address asks for what cannot be shown; `key` and `places` are those of the words that say what to write."""

    def __init__(self, key: str, **places: object) -> None:
        super().__init__(WORDS[key][0].format(**places))
        self.key = key
        self.places = places
