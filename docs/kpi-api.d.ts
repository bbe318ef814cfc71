// Types of the KPI API, generated from docs/kpi-api.openapi.json by `make docs`. Do not edit.
//
//   const response = await fetch("/api/v1/kpis/response_times_daily?day_from=2026-11-01");
//   const answer: KpiAnswer<"response_times_daily"> = await response.json();
//   answer.rows[0].response_seconds_median; // number | null
//
// A row has every column, unless `columns` names some: then write
//   Answer<Pick<ResponseTimesDaily, "day" | "waits">>

/** A refusal. */
export interface Problem {
  /** Why there is no answer. */
  error: { code: string; message: string; hint: string; };
}

/** A page of rows, and what they come from. */
export interface Answer<Row = Record<string, unknown>> {
  /** Full name of the table. */
  table: string;
  /** Version of its definition. */
  definition_version: number;
  /** Id of the snapshot. */
  snapshot: string;
  /** Its cut: nothing later counts. */
  as_of: string;
  /** When these figures were last found to stand; null: not since they were published. */
  confirmed_at: string | null;
  /** Days, months, weekdays and hours are local to this zone. */
  timezone: string;
  /** The data is made up. */
  is_sandbox: boolean;
  /** Smallest coverage of the rows that match; null: not known. */
  coverage: number | null;
  /** How many rows that match are provisional. */
  provisional_rows: number;
  /** Rows that match, on all pages. */
  total_rows: number;
  /** Address of the next page. */
  next: string | null;
  rows: Row[];
}

/** A column. */
export interface Column {
  name: string;
  type: "text" | "integer" | "float" | "boolean" | "timestamp" | "date" | "json";
  unit: string | null;
  nullable: boolean;
  description: string;
}

/** A KPI table. */
export interface Table {
  table: string;
  description: string;
  pillar: string;
  key: string[];
  /** The column of a row's day or month. */
  period: string | null;
  definition_version: number;
  is_published: boolean;
  rows: number;
  coverage: number | null;
  provisional_rows: number;
  columns: Column[];
  /** Where its rows are. */
  links: { json: string; csv: string; arrow: string; };
}

/** What one figure is made of. */
export interface Receipt {
  table: string;
  /** The key of its row. */
  key: Record<string, unknown>;
  column: string;
  value: number | string | boolean | null;
  unit: string | null;
  /** The column's definition. */
  meaning: string;
  /** The table's definition. */
  table_meaning: string;
  definition_version: number;
  /** How it follows from the rows, as SQL over `behind`. */
  computed: string | null;
  /** The SELECT that filled the table. */
  sql: string | null;
  snapshot: string;
  as_of: string;
  coverage: number | null;
  is_provisional: boolean;
  /** The published table of the rows behind it. */
  source: string | null;
  row_key: string[];
  used: string[];
  /** Rows behind it. */
  row_count: number;
  /** Their keys and used values; ids are pseudonyms. */
  rows: Record<string, unknown>[];
  /** The figure, computed again from just these rows. */
  recomputed: number | string | boolean | null;
  taken_from: { table: string; key: Record<string, unknown>; column: string; }[];
  /** The requests that the rows came from. */
  fetched: { requests: number; first_at: string | null; last_at: string | null; by_operation: Record<string, unknown>; listed: Record<string, unknown>[]; };
  /** SHA-256: equal inputs give equal digests. */
  digest: string;
  /** Whether the rows give the published value. */
  agrees: boolean | null;
  /** How it moved since an earlier kept snapshot; null when it has not. */
  moved: Movement | null;
}

/** One figure in two snapshots. */
export interface Movement {
  table: string;
  /** The key of its row. */
  key: Record<string, unknown>;
  column: string;
  then: number | string | boolean | null;
  now: number | string | boolean | null;
  /** Id of the earlier snapshot. */
  earlier: string;
  earlier_as_of: string;
  current: string;
  current_as_of: string;
  added: number;
  removed: number;
  changed: number;
  rows: Record<string, unknown>[];
  reasons: { kind: string; words: string; rows: number; }[];
  has_moved: boolean;
}

/** Lines of the audit log. */
export interface AuditLog {
  lines: Record<string, unknown>[];
  /** Lines between these that a full disk or a crash has torn. */
  unreadable_lines: number;
}

/** Every KPI table. */
export interface TableList {
  /** Id of the snapshot. */
  snapshot: string;
  /** Its cut: nothing later counts. */
  as_of: string;
  /** When these figures were last found to stand; null: not since they were published. */
  confirmed_at: string | null;
  /** Days, months, weekdays and hours are local to this zone. */
  timezone: string;
  /** The data is made up. */
  is_sandbox: boolean;
  tables: Table[];
}

/** What each agent did in the last 7 and 30 complete local days. A row has every column, unless `columns` names some. */
export interface AgentLeaderboard {
  /** The staff identifier; (unassigned) for work of nobody. */
  agent: string;
  /** Length of the window in complete local days. */
  window_days: number;
  /** Assignments to the agent. */
  chats_assigned: number;
  /** Conversations resolved, credited to the marker, else the assignee. */
  chats_resolved: number;
  /** Replies, credited to the sender, else the assignee. */
  replies: number;
  /** Median over first answered waits that the agent's reply closed. [s] */
  first_response_seconds_median: number | null;
  /** Replies with an agent / all replies of the window; the same on every row of it. */
  attributed_share: number | null;
  /** First answered waits that the agent's reply closed: what the median is over. */
  first_responses: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** What each agent did on each local day with work. Waits count on the day they began, replies and marks on theirs. A row has every column, unless `columns` names some. */
export interface AgentsDaily {
  /** Local day. [local day] */
  day: string;
  /** The agent; (unassigned) for work of nobody. */
  agent: string;
  /** Replies, credited to the sender, else the assignee. */
  replies: number;
  /** Chats that these replies are in. */
  chats: number;
  /** First waits of that day that the agent's reply closed. */
  first_answered_waits: number;
  /** Median of these waits. [s] */
  first_response_seconds_median: number | null;
  /** Conversations resolved, credited to the marker, else the assignee. */
  chats_resolved: number;
  /** The first of the replies. [UTC] */
  first_reply_at: string | null;
  /** The last of the replies. [UTC] */
  last_reply_at: string | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Waits that stood open at the end of each local day. A row has every column, unless `columns` names some. */
export interface BacklogDaily {
  /** Local day; the newest ends at the cut. [local day] */
  day: string;
  /** Waits begun, not answered, and not given up by the day's end. */
  open_waits_at_end: number;
  /** Age of the oldest of them at the day's end. [s] */
  oldest_wait_seconds: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** One row: waits that are open as far as each chat is known. A row has every column, unless `columns` names some. */
export interface BacklogNow {
  /** Open waits. */
  open_waits: number;
  /** Age of the oldest at the cut. [s] */
  oldest_open_wait_seconds: number | null;
  /** Open waits whose 24-hour service window lapses within 2 h of the cut. */
  windows_expiring_2h: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Conversations resolved, by the local day of it. Left-truncated conversations are left out. A row has every column, unless `columns` names some. */
export interface ChatsResolvedDaily {
  /** Local day of resolved_at, for `unresolved` of ended_at. [local day] */
  day: string;
  /** Conversations resolved. */
  resolved: number;
  /** … by a mark-as-done. */
  resolved_by_operator: number;
  /** … by ending answered. */
  resolved_quietly: number;
  /** Conversations that ended that day with a missed wait and unmarked. */
  unresolved: number;
  /** Median from first inbound to resolved_at. [s] */
  resolution_seconds_median: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Conversations by the local day on which they began. Left-truncated ones are left out. A row has every column, unless `columns` names some. */
export interface ConversationsDaily {
  /** Local day of started_at. [local day] */
  day: string;
  /** Conversations that began. */
  conversations: number;
  /** … that the contact began. */
  by_contact: number;
  /** … that we began. */
  by_business: number;
  /** … whose first message from the contact a campaign brought. */
  after_campaign: number;
  /** … that a mark as done had cut off, and the contact opened again. */
  reopened: number;
  /** Median of their messages, templates out. [messages] */
  messages_median: number | null;
  /** Median from their first message to their last. [s] */
  duration_seconds_median: number | null;
  /** Those with exactly one reply / those with a reply. */
  one_reply_rate: number | null;
  /** … with more than 10 messages, templates out. */
  over_10_messages: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Conversations that a bot handed to a person, by events. Left-truncated conversations are left out. From the day of the first handoff on; empty where no event tells of one. A row has every column, unless `columns` names some. */
export interface HandoffsDaily {
  /** Local day of the handoff; of `conversations` and its share, of started_at. [local day] */
  day: string;
  /** Conversations handed from a bot to a person, each at its first handoff. */
  handoffs: number;
  /** … that a reply followed in the same conversation. */
  answered_handoffs: number;
  /** … without a reply, whose conversation is not over. */
  open_handoffs: number;
  /** … without a reply, whose conversation is over. */
  unanswered_handoffs: number;
  /** Median from the handoff to the reply, over answered ones. [s] */
  human_reply_seconds_median: number | null;
  /** 90th percentile of the same. [s] */
  human_reply_seconds_p90: number | null;
  /** Conversations that began that day and hold a message from the contact. */
  conversations: number;
  /** … that were handed to a person, on that day or later. */
  handed_over_conversations: number;
  /** handed_over_conversations / conversations. */
  handoff_share: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Messages by weekday and hour over the last 84 complete local days: 12 of each weekday. Failed ones are out. A row has every column, unless `columns` names some. */
export interface MessageVolumeHourly {
  /** Local weekday, 0 = Monday. */
  weekday: number;
  /** Local hour. */
  hour: number;
  /** Messages from contacts. */
  inbound: number;
  /** Replies. */
  replies: number;
  /** Templates. */
  templates: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Waits and how long they took, by the local day they began. Left-truncated conversations are left out. A row has every column, unless `columns` names some. */
export interface ResponseTimesDaily {
  /** Local day of waiting_since. [local day] */
  day: string;
  /** Waits of left-truncated conversations: not in any other figure of the row. */
  left_truncated_waits: number;
  /** Waits that began. */
  waits: number;
  /** First waits of their conversation. */
  first_waits: number;
  /** First waits that a campaign brought: opened within 72 h of a template, with no reply between. */
  campaign_first_waits: number;
  /** Waits that a reply closed. */
  answered_waits: number;
  /** First waits that a reply closed. */
  first_answered_waits: number;
  /** Waits without a reply whose conversation is not over. */
  open_waits: number;
  /** First waits without a reply whose conversation is over, or that a mark as done ended. */
  missed_waits: number;
  /** Missed waits after which we wrote within 7 days of the conversation's end, before the contact did. */
  followed_up_missed_waits: number;
  /** Missed waits in whose first 24 hours fewer business seconds than the target lie; 0 without business hours. */
  shut_missed_waits: number;
  /** Later waits without a reply whose conversation is over, or that a mark as done ended: mostly thanks. */
  trailing_waits: number;
  /** first_answered_waits / (first_answered_waits + missed_waits). */
  answer_rate: number | null;
  /** Median over answered waits. [s] */
  response_seconds_median: number | null;
  /** 90th percentile over answered waits. [s] */
  response_seconds_p90: number | null;
  /** Mean over answered waits. [s] */
  response_seconds_mean: number | null;
  /** Median over first answered waits. [s] */
  first_response_seconds_median: number | null;
  /** 90th percentile over first answered waits. [s] */
  first_response_seconds_p90: number | null;
  /** Mean over first answered waits. [s] */
  first_response_seconds_mean: number | null;
  /** Median of the business seconds of first answered waits. [s] */
  business_first_response_seconds_median: number | null;
  /** 90th percentile of the business seconds of first answered waits. [s] */
  business_first_response_seconds_p90: number | null;
  /** First waits answered within CRM_FIRST_RESPONSE_TARGET_MINUTES / (first_answered_waits + missed_waits). */
  first_within_target_rate: number | null;
  /** First waits answered within as many business minutes / (first_answered_waits + missed_waits). */
  business_first_within_target_rate: number | null;
  /** Median over later answered waits, those that are not the first of their conversation. [s] */
  later_response_seconds_median: number | null;
  /** Median of the business seconds of later answered waits. [s] */
  business_later_response_seconds_median: number | null;
  /** Kaplan-Meier median over first waits: open ones censored, missed ones never answered. [s] */
  first_response_seconds_median_censored: number | null;
  /** Messages that were opt-outs, by their own day; those of left-truncated conversations, too. */
  opt_outs: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Scores of the last 30 complete local days by whose the conversation was; beside them those of a custom field. A field says what a contact answered, not when: its figures are of all present contacts at the cut. A row has every column, unless `columns` names some. */
export interface SatisfactionByAgent {
  /** Who resolved the conversation, else who wrote its last reply; (unassigned) where that is nobody. Of a field's score: of the chat's newest conversation with a reply. */
  agent: string;
  /** Conversations that were given a score. */
  responses: number;
  /** … of 4 or 5. */
  good: number;
  /** good / responses. */
  share_good: number | null;
  /** Lower Wilson 95 % bound. */
  share_good_low: number | null;
  /** Upper Wilson 95 % bound. */
  share_good_high: number | null;
  /** At least 10 responses: with fewer, say nothing of the agent. */
  is_enough: boolean;
  /** Present contacts whose CRM_SATISFACTION_FIELD holds a score, whenever they gave it; in no other figure. */
  field_responses: number;
  /** … of 4 or 5. */
  field_good: number;
  /** field_good / field_responses. */
  field_share_good: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Scores that contacts gave, by events: of each conversation the newest. From the day of the first score on; empty where no event tells of one. A row has every column, unless `columns` names some. */
export interface SatisfactionDaily {
  /** Local day of the score; of `closed_conversations` and its rate, of the mark as done. [local day] */
  day: string;
  /** Conversations that were given a score. */
  responses: number;
  /** … of 4 or 5. */
  good: number;
  /** good / responses. */
  share_good: number | null;
  /** Lower Wilson 95 % bound. */
  share_good_low: number | null;
  /** Upper Wilson 95 % bound. */
  share_good_high: number | null;
  /** Conversations that were marked as done; left-truncated ones are left out. */
  closed_conversations: number;
  /** … that were given a score, on that day or another. */
  scored_conversations: number;
  /** scored_conversations / closed_conversations. */
  response_rate: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Support of the last 7, 28 and 90 complete local days by agent, team, country, origin and segment. An answered wait is its closing reply's agent's, another the assignee's when it began; a conversation resolved is its marker's, else the assignee's. A contact whose segment field holds several values counts in each of them. A row has every column, unless `columns` names some. */
export interface SupportBy {
  /** agent, team, country, origin, or segment:<field>. */
  dimension: string;
  /** Its value; (unassigned), (no team), (unknown) or (none) where there is none. */
  value: string;
  /** Length of the window in complete local days. */
  window_days: number;
  /** Waits that began. */
  waits: number;
  /** First waits of their conversation. */
  first_waits: number;
  /** First waits that a reply closed. */
  first_answered_waits: number;
  /** First waits without a reply whose conversation is over, or that a mark as done ended. */
  missed_waits: number;
  /** first_answered_waits / (first_answered_waits + missed_waits). */
  answer_rate: number | null;
  /** First waits answered within CRM_FIRST_RESPONSE_TARGET_MINUTES / (first_answered_waits + missed_waits). */
  first_within_target_rate: number | null;
  /** Median over first answered waits. [s] */
  first_response_seconds_median: number | null;
  /** 90th percentile over first answered waits. [s] */
  first_response_seconds_p90: number | null;
  /** Median of the business seconds of first answered waits. [s] */
  business_first_response_seconds_median: number | null;
  /** Conversations resolved. */
  chats_resolved: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Campaigns and what their newest report says of them; impossible reports are shown and flagged. A row has every column, unless `columns` names some. */
export interface CampaignPerformance {
  /** The campaign. */
  campaign_id: string;
  /** Its name. */
  name: string | null;
  /** Its status. */
  status: string | null;
  /** When it was sent, by the best that is known; NULL for a draft. [UTC] */
  sent_at: string | null;
  /** Recipients: the report's, else the campaign's. */
  total_recipients: number | null;
  /** Delivered. */
  delivered: number | null;
  /** Read. */
  read: number | null;
  /** Replied. */
  replied: number | null;
  /** Failed. */
  failed: number | null;
  /** total_recipients − delivered − failed; NULL beyond a trillion. */
  in_flight: number | null;
  /** delivered / total_recipients. */
  delivery_rate: number | null;
  /** read / delivered. */
  read_per_delivered: number | null;
  /** replied / delivered. */
  reply_per_delivered: number | null;
  /** read / total_recipients. */
  read_per_recipient: number | null;
  /** replied / total_recipients. */
  reply_per_recipient: number | null;
  /** Lower Wilson 95 % bound. */
  delivery_rate_low: number | null;
  /** Upper Wilson 95 % bound. */
  delivery_rate_high: number | null;
  /** Lower Wilson 95 % bound. */
  read_per_delivered_low: number | null;
  /** Upper Wilson 95 % bound. */
  read_per_delivered_high: number | null;
  /** Lower Wilson 95 % bound. */
  reply_per_delivered_low: number | null;
  /** Upper Wilson 95 % bound. */
  reply_per_delivered_high: number | null;
  /** read ≤ delivered ≤ total, replied ≤ delivered, delivered + failed ≤ total, none negative or over a trillion. */
  is_consistent: boolean | null;
  /** Completed or failed, and sent at least 72 h before the cut. */
  is_settled: boolean;
  /** Largest difference between our rates and the API's texts beyond their rounding. [percentage points] */
  api_rate_gap: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Contacts that wrote on each local day and in the days that end with it. Opt-outs are no activity. A row has every column, unless `columns` names some. */
export interface ContactActivityDaily {
  /** Local day. [local day] */
  day: string;
  /** Contacts that wrote on it. */
  active_contacts: number;
  /** Contacts that wrote on it or the 6 days before; NULL before there are 7 days. */
  active_contacts_7d: number | null;
  /** Contacts that wrote on it or the 29 days before; NULL before there are 30 days. */
  active_contacts_30d: number | null;
  /** Contacts that wrote for the first time; of chats whose history is whole, NULL while fewer than 95 % of those present are. */
  new_active: number | null;
  /** Contacts that wrote earlier, but not on the 30 days before; like new_active. */
  reactivated: number | null;
  /** Present contacts' chats whose history is whole, of all of them. */
  whole_share: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Of the contacts that first wrote in a local month, how many wrote in the months after. Over chats whose history is whole; a month that is not over has no row. A row has every column, unless `columns` names some. */
export interface ContactRetentionMonthly {
  /** First day of the local month of the contacts' first counted message. [local month] */
  cohort: string;
  /** Months after it: 0 is the month itself, at most 12. */
  months_since: number;
  /** Contacts of the cohort. */
  contacts: number;
  /** Those that wrote something but an opt-out in that month. */
  active: number;
  /** active / contacts. */
  retention: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Campaigns by the local month they were sent in: those with recipients and no contradiction, sent by the cut. A row has every column, unless `columns` names some. */
export interface EngagementMonthly {
  /** First day of the local month of sent_at. [local month] */
  month: string;
  /** Campaigns. */
  campaigns: number;
  /** Recipients. */
  total_recipients: number;
  /** Delivered. */
  delivered: number;
  /** Read. */
  read: number;
  /** Replied. */
  replied: number;
  /** Failed. */
  failed: number;
  /** Delivered, of the reports that say read, too. */
  read_delivered: number;
  /** Delivered, of the reports that say replied, too. */
  reply_delivered: number;
  /** delivered / total_recipients, from the sums. */
  delivery_rate: number | null;
  /** read / delivered, from the sums, over the reports that say both. */
  read_per_delivered: number | null;
  /** replied / delivered, from the sums, over the reports that say both. */
  reply_per_delivered: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Opt-outs by their own local day, those of left-truncated conversations, too. A row has every column, unless `columns` names some. */
export interface OptOutsDaily {
  /** Local day. [local day] */
  day: string;
  /** Messages that were opt-outs. */
  opt_outs: number;
  /** Contacts that wrote them. */
  contacts: number;
  /** Opt-outs within 72 h of a template, with no reply between. */
  after_campaign: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Campaigns by the local weekday and hour of sending: those of engagement_monthly. A row has every column, unless `columns` names some. */
export interface SendTimePerformance {
  /** Local weekday, 0 = Monday. */
  weekday: number;
  /** Local hour. */
  hour: number;
  /** Campaigns. */
  campaigns: number;
  /** Delivered. */
  delivered: number;
  /** Read. */
  read: number;
  /** Replied. */
  replied: number;
  /** Delivered, of the reports that say read, too. */
  read_delivered: number;
  /** Delivered, of the reports that say replied, too. */
  reply_delivered: number;
  /** read / delivered, from the sums, over the reports that say both. */
  read_per_delivered: number | null;
  /** replied / delivered, from the sums, over the reports that say both. */
  reply_per_delivered: number | null;
  /** read / read_delivered, drawn towards the mean of all cells as far as chance explains it. */
  read_per_delivered_shrunk: number | null;
  /** replied / reply_delivered, drawn in the same way. */
  reply_per_delivered_shrunk: number | null;
  /** At least 3 campaigns and 1,000 delivered. */
  enough_data: boolean;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Contacts at the end of each local day, and how they came and went. From the day of the oldest counted message or of the first sweep, whichever is earlier. A row has every column, unless `columns` names some. */
export interface ContactGrowthDaily {
  /** Local day. [local day] */
  day: string;
  /** Contacts present at its end. */
  total_contacts: number;
  /** Presences that began. */
  new_contacts: number;
  /** Presences that ended; NULL on estimated days. */
  gone_contacts: number | null;
  /** new_contacts − gone_contacts. */
  net_growth: number;
  /** Before the first complete sweep, from creation times alone. */
  is_estimated: boolean;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Contacts at the end of each local month, and how they came and went. A row has every column, unless `columns` names some. */
export interface ContactGrowthMonthly {
  /** First day of the local month. [local month] */
  month: string;
  /** Contacts at its start. */
  opening: number;
  /** Presences that began. */
  new_contacts: number;
  /** Presences that ended; NULL when all its days are estimated. */
  gone_contacts: number | null;
  /** Contacts at its end, or at the cut. */
  closing: number;
  /** (closing − opening) / opening; NULL for the first month known. */
  monthly_growth_rate: number | null;
  /** The current month. */
  is_partial: boolean;
  /** On the partial month: the month before, closed at the same day number. */
  previous_to_date_rate: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Present contacts by the country of their number. A row has every column, unless `columns` names some. */
export interface ContactsByCountry {
  /** ISO country code; (unknown) where the number tells none. */
  region: string;
  /** Present contacts. */
  contacts: number;
  /** Of all present contacts. */
  share: number | null;
  /** Those with an inbound message in the 30 complete local days before the cut's day. */
  active_30d: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** Present contacts by the value of each segment field: the 50 largest values, the rest as (other). Values are compared without the spaces around them. A contact whose field holds several values counts in each of them, so the shares of a field may add up to more than 1. A row has every column, unless `columns` names some. */
export interface ContactsBySegment {
  /** The custom field. */
  field: string;
  /** Its value; (other) beyond the 50 largest, (none) where absent. */
  value: string;
  /** Present contacts. */
  contacts: number;
  /** Of all present contacts. */
  share: number | null;
  /** Those with an inbound message in the 30 complete local days before the cut's day. */
  active_30d: number;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** One row: the figures a company is run by, each beside the same one a period before. A row has every column, unless `columns` names some. */
export interface ExecutiveSummary {
  /** Contacts present at the cut. */
  total_contacts: number;
  /** … at the end of the local day 7 days before the cut's. */
  total_contacts_previous: number | null;
  /** Of the last complete month. */
  monthly_growth_rate: number | null;
  /** Of the month before. */
  monthly_growth_rate_previous: number | null;
  /** Campaigns active or in progress. */
  active_campaigns: number;
  /** … at the end of the local day 7 days before the cut's. */
  active_campaigns_previous: number | null;
  /** Settled campaigns sent in the last 30 complete local days, whose report says both counts. */
  read_per_delivered_30d: number | null;
  /** … in the 30 days before. */
  read_per_delivered_30d_previous: number | null;
  /** Delivered by them: what the read rate is over. */
  read_delivered_30d: number;
  /** … in the 30 days before. */
  read_delivered_30d_previous: number | null;
  /** Settled campaigns sent in the last 30 complete local days, whose report says both counts. */
  reply_per_delivered_30d: number | null;
  /** … in the 30 days before. */
  reply_per_delivered_30d_previous: number | null;
  /** Delivered by them: what the reply rate is over. */
  reply_delivered_30d: number;
  /** … in the 30 days before. */
  reply_delivered_30d_previous: number | null;
  /** Over first answered waits of the last 7 complete local days. [s] */
  first_response_seconds_median_7d: number | null;
  /** … of the 7 days before. [s] */
  first_response_seconds_median_7d_previous: number | null;
  /** First waits answered / answered or missed, last 7 complete local days. */
  answer_rate_7d: number | null;
  /** … in the 7 days before. */
  answer_rate_7d_previous: number | null;
  /** Conversations resolved in the last 7 complete local days. */
  chats_resolved_7d: number;
  /** … in the 7 days before. */
  chats_resolved_7d_previous: number | null;
  /** Open waits. */
  open_waits: number;
  /** … at the end of the local day 7 days before the cut's. */
  open_waits_previous: number | null;
  /** The cut: nothing later counts. [UTC] */
  as_of: string;
  /** Share of what the figure is about that the platform has seen; NULL when not known. */
  coverage: number | null;
  /** Coverage below 0.95 or not known, or the row's day or month is not over at the cut. */
  is_provisional: boolean;
  /** Version of the definition the row was computed by. */
  definition_version: number;
}

/** The row of each table, by the table's name in the address. */
export interface KpiRows {
  agent_leaderboard: AgentLeaderboard;
  agents_daily: AgentsDaily;
  backlog_daily: BacklogDaily;
  backlog_now: BacklogNow;
  chats_resolved_daily: ChatsResolvedDaily;
  conversations_daily: ConversationsDaily;
  handoffs_daily: HandoffsDaily;
  message_volume_hourly: MessageVolumeHourly;
  response_times_daily: ResponseTimesDaily;
  satisfaction_by_agent: SatisfactionByAgent;
  satisfaction_daily: SatisfactionDaily;
  support_by: SupportBy;
  campaign_performance: CampaignPerformance;
  contact_activity_daily: ContactActivityDaily;
  contact_retention_monthly: ContactRetentionMonthly;
  engagement_monthly: EngagementMonthly;
  opt_outs_daily: OptOutsDaily;
  send_time_performance: SendTimePerformance;
  contact_growth_daily: ContactGrowthDaily;
  contact_growth_monthly: ContactGrowthMonthly;
  contacts_by_country: ContactsByCountry;
  contacts_by_segment: ContactsBySegment;
  executive_summary: ExecutiveSummary;
}

export type KpiTable = keyof KpiRows;

/** What GET /api/v1/kpis/{table} answers. */
export type KpiAnswer<Name extends KpiTable> = Answer<KpiRows[Name]>;

/** What each table's address takes behind its question mark. */
export interface KpiQueries {
  agent_leaderboard: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    agent?: string | string[];
    window_days?: number | number[];
    window_days_from?: number;
    window_days_to?: number;
    chats_assigned?: number | number[];
    chats_assigned_from?: number;
    chats_assigned_to?: number;
    chats_resolved?: number | number[];
    chats_resolved_from?: number;
    chats_resolved_to?: number;
    replies?: number | number[];
    replies_from?: number;
    replies_to?: number;
    first_response_seconds_median?: number | number[];
    first_response_seconds_median_from?: number;
    first_response_seconds_median_to?: number;
    attributed_share?: number | number[];
    attributed_share_from?: number;
    attributed_share_to?: number;
    first_responses?: number | number[];
    first_responses_from?: number;
    first_responses_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  agents_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    agent?: string | string[];
    replies?: number | number[];
    replies_from?: number;
    replies_to?: number;
    chats?: number | number[];
    chats_from?: number;
    chats_to?: number;
    first_answered_waits?: number | number[];
    first_answered_waits_from?: number;
    first_answered_waits_to?: number;
    first_response_seconds_median?: number | number[];
    first_response_seconds_median_from?: number;
    first_response_seconds_median_to?: number;
    chats_resolved?: number | number[];
    chats_resolved_from?: number;
    chats_resolved_to?: number;
    first_reply_at?: string | string[];
    first_reply_at_from?: string;
    first_reply_at_to?: string;
    last_reply_at?: string | string[];
    last_reply_at_from?: string;
    last_reply_at_to?: string;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  backlog_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    open_waits_at_end?: number | number[];
    open_waits_at_end_from?: number;
    open_waits_at_end_to?: number;
    oldest_wait_seconds?: number | number[];
    oldest_wait_seconds_from?: number;
    oldest_wait_seconds_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  backlog_now: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    open_waits?: number | number[];
    open_waits_from?: number;
    open_waits_to?: number;
    oldest_open_wait_seconds?: number | number[];
    oldest_open_wait_seconds_from?: number;
    oldest_open_wait_seconds_to?: number;
    windows_expiring_2h?: number | number[];
    windows_expiring_2h_from?: number;
    windows_expiring_2h_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  chats_resolved_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    resolved?: number | number[];
    resolved_from?: number;
    resolved_to?: number;
    resolved_by_operator?: number | number[];
    resolved_by_operator_from?: number;
    resolved_by_operator_to?: number;
    resolved_quietly?: number | number[];
    resolved_quietly_from?: number;
    resolved_quietly_to?: number;
    unresolved?: number | number[];
    unresolved_from?: number;
    unresolved_to?: number;
    resolution_seconds_median?: number | number[];
    resolution_seconds_median_from?: number;
    resolution_seconds_median_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  conversations_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    conversations?: number | number[];
    conversations_from?: number;
    conversations_to?: number;
    by_contact?: number | number[];
    by_contact_from?: number;
    by_contact_to?: number;
    by_business?: number | number[];
    by_business_from?: number;
    by_business_to?: number;
    after_campaign?: number | number[];
    after_campaign_from?: number;
    after_campaign_to?: number;
    reopened?: number | number[];
    reopened_from?: number;
    reopened_to?: number;
    messages_median?: number | number[];
    messages_median_from?: number;
    messages_median_to?: number;
    duration_seconds_median?: number | number[];
    duration_seconds_median_from?: number;
    duration_seconds_median_to?: number;
    one_reply_rate?: number | number[];
    one_reply_rate_from?: number;
    one_reply_rate_to?: number;
    over_10_messages?: number | number[];
    over_10_messages_from?: number;
    over_10_messages_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  handoffs_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    handoffs?: number | number[];
    handoffs_from?: number;
    handoffs_to?: number;
    answered_handoffs?: number | number[];
    answered_handoffs_from?: number;
    answered_handoffs_to?: number;
    open_handoffs?: number | number[];
    open_handoffs_from?: number;
    open_handoffs_to?: number;
    unanswered_handoffs?: number | number[];
    unanswered_handoffs_from?: number;
    unanswered_handoffs_to?: number;
    human_reply_seconds_median?: number | number[];
    human_reply_seconds_median_from?: number;
    human_reply_seconds_median_to?: number;
    human_reply_seconds_p90?: number | number[];
    human_reply_seconds_p90_from?: number;
    human_reply_seconds_p90_to?: number;
    conversations?: number | number[];
    conversations_from?: number;
    conversations_to?: number;
    handed_over_conversations?: number | number[];
    handed_over_conversations_from?: number;
    handed_over_conversations_to?: number;
    handoff_share?: number | number[];
    handoff_share_from?: number;
    handoff_share_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  message_volume_hourly: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    weekday?: number | number[];
    weekday_from?: number;
    weekday_to?: number;
    hour?: number | number[];
    hour_from?: number;
    hour_to?: number;
    inbound?: number | number[];
    inbound_from?: number;
    inbound_to?: number;
    replies?: number | number[];
    replies_from?: number;
    replies_to?: number;
    templates?: number | number[];
    templates_from?: number;
    templates_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  response_times_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    left_truncated_waits?: number | number[];
    left_truncated_waits_from?: number;
    left_truncated_waits_to?: number;
    waits?: number | number[];
    waits_from?: number;
    waits_to?: number;
    first_waits?: number | number[];
    first_waits_from?: number;
    first_waits_to?: number;
    campaign_first_waits?: number | number[];
    campaign_first_waits_from?: number;
    campaign_first_waits_to?: number;
    answered_waits?: number | number[];
    answered_waits_from?: number;
    answered_waits_to?: number;
    first_answered_waits?: number | number[];
    first_answered_waits_from?: number;
    first_answered_waits_to?: number;
    open_waits?: number | number[];
    open_waits_from?: number;
    open_waits_to?: number;
    missed_waits?: number | number[];
    missed_waits_from?: number;
    missed_waits_to?: number;
    followed_up_missed_waits?: number | number[];
    followed_up_missed_waits_from?: number;
    followed_up_missed_waits_to?: number;
    shut_missed_waits?: number | number[];
    shut_missed_waits_from?: number;
    shut_missed_waits_to?: number;
    trailing_waits?: number | number[];
    trailing_waits_from?: number;
    trailing_waits_to?: number;
    answer_rate?: number | number[];
    answer_rate_from?: number;
    answer_rate_to?: number;
    response_seconds_median?: number | number[];
    response_seconds_median_from?: number;
    response_seconds_median_to?: number;
    response_seconds_p90?: number | number[];
    response_seconds_p90_from?: number;
    response_seconds_p90_to?: number;
    response_seconds_mean?: number | number[];
    response_seconds_mean_from?: number;
    response_seconds_mean_to?: number;
    first_response_seconds_median?: number | number[];
    first_response_seconds_median_from?: number;
    first_response_seconds_median_to?: number;
    first_response_seconds_p90?: number | number[];
    first_response_seconds_p90_from?: number;
    first_response_seconds_p90_to?: number;
    first_response_seconds_mean?: number | number[];
    first_response_seconds_mean_from?: number;
    first_response_seconds_mean_to?: number;
    business_first_response_seconds_median?: number | number[];
    business_first_response_seconds_median_from?: number;
    business_first_response_seconds_median_to?: number;
    business_first_response_seconds_p90?: number | number[];
    business_first_response_seconds_p90_from?: number;
    business_first_response_seconds_p90_to?: number;
    first_within_target_rate?: number | number[];
    first_within_target_rate_from?: number;
    first_within_target_rate_to?: number;
    business_first_within_target_rate?: number | number[];
    business_first_within_target_rate_from?: number;
    business_first_within_target_rate_to?: number;
    later_response_seconds_median?: number | number[];
    later_response_seconds_median_from?: number;
    later_response_seconds_median_to?: number;
    business_later_response_seconds_median?: number | number[];
    business_later_response_seconds_median_from?: number;
    business_later_response_seconds_median_to?: number;
    first_response_seconds_median_censored?: number | number[];
    first_response_seconds_median_censored_from?: number;
    first_response_seconds_median_censored_to?: number;
    opt_outs?: number | number[];
    opt_outs_from?: number;
    opt_outs_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  satisfaction_by_agent: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    agent?: string | string[];
    responses?: number | number[];
    responses_from?: number;
    responses_to?: number;
    good?: number | number[];
    good_from?: number;
    good_to?: number;
    share_good?: number | number[];
    share_good_from?: number;
    share_good_to?: number;
    share_good_low?: number | number[];
    share_good_low_from?: number;
    share_good_low_to?: number;
    share_good_high?: number | number[];
    share_good_high_from?: number;
    share_good_high_to?: number;
    is_enough?: boolean | boolean[];
    field_responses?: number | number[];
    field_responses_from?: number;
    field_responses_to?: number;
    field_good?: number | number[];
    field_good_from?: number;
    field_good_to?: number;
    field_share_good?: number | number[];
    field_share_good_from?: number;
    field_share_good_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  satisfaction_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    responses?: number | number[];
    responses_from?: number;
    responses_to?: number;
    good?: number | number[];
    good_from?: number;
    good_to?: number;
    share_good?: number | number[];
    share_good_from?: number;
    share_good_to?: number;
    share_good_low?: number | number[];
    share_good_low_from?: number;
    share_good_low_to?: number;
    share_good_high?: number | number[];
    share_good_high_from?: number;
    share_good_high_to?: number;
    closed_conversations?: number | number[];
    closed_conversations_from?: number;
    closed_conversations_to?: number;
    scored_conversations?: number | number[];
    scored_conversations_from?: number;
    scored_conversations_to?: number;
    response_rate?: number | number[];
    response_rate_from?: number;
    response_rate_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  support_by: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    dimension?: string | string[];
    value?: string | string[];
    window_days?: number | number[];
    window_days_from?: number;
    window_days_to?: number;
    waits?: number | number[];
    waits_from?: number;
    waits_to?: number;
    first_waits?: number | number[];
    first_waits_from?: number;
    first_waits_to?: number;
    first_answered_waits?: number | number[];
    first_answered_waits_from?: number;
    first_answered_waits_to?: number;
    missed_waits?: number | number[];
    missed_waits_from?: number;
    missed_waits_to?: number;
    answer_rate?: number | number[];
    answer_rate_from?: number;
    answer_rate_to?: number;
    first_within_target_rate?: number | number[];
    first_within_target_rate_from?: number;
    first_within_target_rate_to?: number;
    first_response_seconds_median?: number | number[];
    first_response_seconds_median_from?: number;
    first_response_seconds_median_to?: number;
    first_response_seconds_p90?: number | number[];
    first_response_seconds_p90_from?: number;
    first_response_seconds_p90_to?: number;
    business_first_response_seconds_median?: number | number[];
    business_first_response_seconds_median_from?: number;
    business_first_response_seconds_median_to?: number;
    chats_resolved?: number | number[];
    chats_resolved_from?: number;
    chats_resolved_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  campaign_performance: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    campaign_id?: string | string[];
    name?: string | string[];
    status?: string | string[];
    sent_at?: string | string[];
    sent_at_from?: string;
    sent_at_to?: string;
    total_recipients?: number | number[];
    total_recipients_from?: number;
    total_recipients_to?: number;
    delivered?: number | number[];
    delivered_from?: number;
    delivered_to?: number;
    read?: number | number[];
    read_from?: number;
    read_to?: number;
    replied?: number | number[];
    replied_from?: number;
    replied_to?: number;
    failed?: number | number[];
    failed_from?: number;
    failed_to?: number;
    in_flight?: number | number[];
    in_flight_from?: number;
    in_flight_to?: number;
    delivery_rate?: number | number[];
    delivery_rate_from?: number;
    delivery_rate_to?: number;
    read_per_delivered?: number | number[];
    read_per_delivered_from?: number;
    read_per_delivered_to?: number;
    reply_per_delivered?: number | number[];
    reply_per_delivered_from?: number;
    reply_per_delivered_to?: number;
    read_per_recipient?: number | number[];
    read_per_recipient_from?: number;
    read_per_recipient_to?: number;
    reply_per_recipient?: number | number[];
    reply_per_recipient_from?: number;
    reply_per_recipient_to?: number;
    delivery_rate_low?: number | number[];
    delivery_rate_low_from?: number;
    delivery_rate_low_to?: number;
    delivery_rate_high?: number | number[];
    delivery_rate_high_from?: number;
    delivery_rate_high_to?: number;
    read_per_delivered_low?: number | number[];
    read_per_delivered_low_from?: number;
    read_per_delivered_low_to?: number;
    read_per_delivered_high?: number | number[];
    read_per_delivered_high_from?: number;
    read_per_delivered_high_to?: number;
    reply_per_delivered_low?: number | number[];
    reply_per_delivered_low_from?: number;
    reply_per_delivered_low_to?: number;
    reply_per_delivered_high?: number | number[];
    reply_per_delivered_high_from?: number;
    reply_per_delivered_high_to?: number;
    is_consistent?: boolean | boolean[];
    is_settled?: boolean | boolean[];
    api_rate_gap?: number | number[];
    api_rate_gap_from?: number;
    api_rate_gap_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contact_activity_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    active_contacts?: number | number[];
    active_contacts_from?: number;
    active_contacts_to?: number;
    active_contacts_7d?: number | number[];
    active_contacts_7d_from?: number;
    active_contacts_7d_to?: number;
    active_contacts_30d?: number | number[];
    active_contacts_30d_from?: number;
    active_contacts_30d_to?: number;
    new_active?: number | number[];
    new_active_from?: number;
    new_active_to?: number;
    reactivated?: number | number[];
    reactivated_from?: number;
    reactivated_to?: number;
    whole_share?: number | number[];
    whole_share_from?: number;
    whole_share_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contact_retention_monthly: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    cohort?: string | string[];
    cohort_from?: string;
    cohort_to?: string;
    months_since?: number | number[];
    months_since_from?: number;
    months_since_to?: number;
    contacts?: number | number[];
    contacts_from?: number;
    contacts_to?: number;
    active?: number | number[];
    active_from?: number;
    active_to?: number;
    retention?: number | number[];
    retention_from?: number;
    retention_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  engagement_monthly: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    month?: string | string[];
    month_from?: string;
    month_to?: string;
    campaigns?: number | number[];
    campaigns_from?: number;
    campaigns_to?: number;
    total_recipients?: number | number[];
    total_recipients_from?: number;
    total_recipients_to?: number;
    delivered?: number | number[];
    delivered_from?: number;
    delivered_to?: number;
    read?: number | number[];
    read_from?: number;
    read_to?: number;
    replied?: number | number[];
    replied_from?: number;
    replied_to?: number;
    failed?: number | number[];
    failed_from?: number;
    failed_to?: number;
    read_delivered?: number | number[];
    read_delivered_from?: number;
    read_delivered_to?: number;
    reply_delivered?: number | number[];
    reply_delivered_from?: number;
    reply_delivered_to?: number;
    delivery_rate?: number | number[];
    delivery_rate_from?: number;
    delivery_rate_to?: number;
    read_per_delivered?: number | number[];
    read_per_delivered_from?: number;
    read_per_delivered_to?: number;
    reply_per_delivered?: number | number[];
    reply_per_delivered_from?: number;
    reply_per_delivered_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  opt_outs_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    opt_outs?: number | number[];
    opt_outs_from?: number;
    opt_outs_to?: number;
    contacts?: number | number[];
    contacts_from?: number;
    contacts_to?: number;
    after_campaign?: number | number[];
    after_campaign_from?: number;
    after_campaign_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  send_time_performance: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    weekday?: number | number[];
    weekday_from?: number;
    weekday_to?: number;
    hour?: number | number[];
    hour_from?: number;
    hour_to?: number;
    campaigns?: number | number[];
    campaigns_from?: number;
    campaigns_to?: number;
    delivered?: number | number[];
    delivered_from?: number;
    delivered_to?: number;
    read?: number | number[];
    read_from?: number;
    read_to?: number;
    replied?: number | number[];
    replied_from?: number;
    replied_to?: number;
    read_delivered?: number | number[];
    read_delivered_from?: number;
    read_delivered_to?: number;
    reply_delivered?: number | number[];
    reply_delivered_from?: number;
    reply_delivered_to?: number;
    read_per_delivered?: number | number[];
    read_per_delivered_from?: number;
    read_per_delivered_to?: number;
    reply_per_delivered?: number | number[];
    reply_per_delivered_from?: number;
    reply_per_delivered_to?: number;
    read_per_delivered_shrunk?: number | number[];
    read_per_delivered_shrunk_from?: number;
    read_per_delivered_shrunk_to?: number;
    reply_per_delivered_shrunk?: number | number[];
    reply_per_delivered_shrunk_from?: number;
    reply_per_delivered_shrunk_to?: number;
    enough_data?: boolean | boolean[];
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contact_growth_daily: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    day?: string | string[];
    day_from?: string;
    day_to?: string;
    total_contacts?: number | number[];
    total_contacts_from?: number;
    total_contacts_to?: number;
    new_contacts?: number | number[];
    new_contacts_from?: number;
    new_contacts_to?: number;
    gone_contacts?: number | number[];
    gone_contacts_from?: number;
    gone_contacts_to?: number;
    net_growth?: number | number[];
    net_growth_from?: number;
    net_growth_to?: number;
    is_estimated?: boolean | boolean[];
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contact_growth_monthly: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    month?: string | string[];
    month_from?: string;
    month_to?: string;
    opening?: number | number[];
    opening_from?: number;
    opening_to?: number;
    new_contacts?: number | number[];
    new_contacts_from?: number;
    new_contacts_to?: number;
    gone_contacts?: number | number[];
    gone_contacts_from?: number;
    gone_contacts_to?: number;
    closing?: number | number[];
    closing_from?: number;
    closing_to?: number;
    monthly_growth_rate?: number | number[];
    monthly_growth_rate_from?: number;
    monthly_growth_rate_to?: number;
    is_partial?: boolean | boolean[];
    previous_to_date_rate?: number | number[];
    previous_to_date_rate_from?: number;
    previous_to_date_rate_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contacts_by_country: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    region?: string | string[];
    contacts?: number | number[];
    contacts_from?: number;
    contacts_to?: number;
    share?: number | number[];
    share_from?: number;
    share_to?: number;
    active_30d?: number | number[];
    active_30d_from?: number;
    active_30d_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  contacts_by_segment: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    field?: string | string[];
    value?: string | string[];
    contacts?: number | number[];
    contacts_from?: number;
    contacts_to?: number;
    share?: number | number[];
    share_from?: number;
    share_to?: number;
    active_30d?: number | number[];
    active_30d_from?: number;
    active_30d_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
  executive_summary: {
    only?: string | string[];
    columns?: string;
    order?: string;
    limit?: number;
    cursor?: string;
    format?: "json" | "csv" | "arrow";
    total_contacts?: number | number[];
    total_contacts_from?: number;
    total_contacts_to?: number;
    total_contacts_previous?: number | number[];
    total_contacts_previous_from?: number;
    total_contacts_previous_to?: number;
    monthly_growth_rate?: number | number[];
    monthly_growth_rate_from?: number;
    monthly_growth_rate_to?: number;
    monthly_growth_rate_previous?: number | number[];
    monthly_growth_rate_previous_from?: number;
    monthly_growth_rate_previous_to?: number;
    active_campaigns?: number | number[];
    active_campaigns_from?: number;
    active_campaigns_to?: number;
    active_campaigns_previous?: number | number[];
    active_campaigns_previous_from?: number;
    active_campaigns_previous_to?: number;
    read_per_delivered_30d?: number | number[];
    read_per_delivered_30d_from?: number;
    read_per_delivered_30d_to?: number;
    read_per_delivered_30d_previous?: number | number[];
    read_per_delivered_30d_previous_from?: number;
    read_per_delivered_30d_previous_to?: number;
    read_delivered_30d?: number | number[];
    read_delivered_30d_from?: number;
    read_delivered_30d_to?: number;
    read_delivered_30d_previous?: number | number[];
    read_delivered_30d_previous_from?: number;
    read_delivered_30d_previous_to?: number;
    reply_per_delivered_30d?: number | number[];
    reply_per_delivered_30d_from?: number;
    reply_per_delivered_30d_to?: number;
    reply_per_delivered_30d_previous?: number | number[];
    reply_per_delivered_30d_previous_from?: number;
    reply_per_delivered_30d_previous_to?: number;
    reply_delivered_30d?: number | number[];
    reply_delivered_30d_from?: number;
    reply_delivered_30d_to?: number;
    reply_delivered_30d_previous?: number | number[];
    reply_delivered_30d_previous_from?: number;
    reply_delivered_30d_previous_to?: number;
    first_response_seconds_median_7d?: number | number[];
    first_response_seconds_median_7d_from?: number;
    first_response_seconds_median_7d_to?: number;
    first_response_seconds_median_7d_previous?: number | number[];
    first_response_seconds_median_7d_previous_from?: number;
    first_response_seconds_median_7d_previous_to?: number;
    answer_rate_7d?: number | number[];
    answer_rate_7d_from?: number;
    answer_rate_7d_to?: number;
    answer_rate_7d_previous?: number | number[];
    answer_rate_7d_previous_from?: number;
    answer_rate_7d_previous_to?: number;
    chats_resolved_7d?: number | number[];
    chats_resolved_7d_from?: number;
    chats_resolved_7d_to?: number;
    chats_resolved_7d_previous?: number | number[];
    chats_resolved_7d_previous_from?: number;
    chats_resolved_7d_previous_to?: number;
    open_waits?: number | number[];
    open_waits_from?: number;
    open_waits_to?: number;
    open_waits_previous?: number | number[];
    open_waits_previous_from?: number;
    open_waits_previous_to?: number;
    as_of?: string | string[];
    as_of_from?: string;
    as_of_to?: string;
    coverage?: number | number[];
    coverage_from?: number;
    coverage_to?: number;
    is_provisional?: boolean | boolean[];
    definition_version?: number | number[];
    definition_version_from?: number;
    definition_version_to?: number;
  };
}
