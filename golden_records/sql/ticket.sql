-- ticket: one row per difference that was put to the owner of a source record, as it was when it was opened.
create table if not exists ticket (
  ticket_id integer primary key autoincrement, entity text not null, source text not null, source_key text not null,
  field text not null, evidence text not null, golden_id text not null, value text, value_source text not null,
  value_source_key text not null, said text, observed_on text, owner text not null, release integer,
  opened_at text not null, due text not null, recorded_at text not null,
  unique (entity, source, source_key, field, evidence));
create index if not exists ticket_against on ticket (value_source, value_source_key);
create trigger if not exists ticket_stays before update on ticket
  begin select raise(abort, 'a ticket is never changed'); end;
create trigger if not exists ticket_remains before delete on ticket
  begin select raise(abort, 'a ticket is never deleted'); end;

-- ticket_event: one row per thing that became of a ticket; one that rests on a decision ends with it.
create table if not exists ticket_event (
  event_id integer primary key autoincrement, ticket_id integer not null references ticket, kind text not null,
  at text not null, reason text, due text, decision_id integer, release integer, detail text not null,
  actor text not null, recorded_at text not null);
create index if not exists ticket_event_of on ticket_event (ticket_id);
create trigger if not exists ticket_event_stays before update on ticket_event
  begin select raise(abort, 'an event of a ticket is never changed'); end;
create trigger if not exists ticket_event_remains before delete on ticket_event
  begin select raise(abort, 'an event of a ticket is never deleted'); end;

-- ticket_refresh: one row per release whose differences were taken in.
create table if not exists ticket_refresh (release integer primary key, as_of text not null, recorded_at text not null);

-- event_in_force: the events that rest on no decision or on one that was not withdrawn.
create temp view event_in_force as
select e.*
from ticket_event as e
left join decision as d on d.decision_id = e.decision_id
where d.withdrawn_at is null;

-- ticket_now: one row per ticket: where it stands, since when, the answer in force and the day on which it is due.
create temp view ticket_now as
with last as (
  select ticket_id, max(event_id) as event_id from event_in_force group by ticket_id
), answered as (
  select ticket_id, nullif(kind, 'reopened') as kind, decision_id, max(event_id)
  from event_in_force where kind in ('corrected', 'upheld', 'rejected', 'reopened') group by ticket_id
), again as (
  select ticket_id, due, max(event_id) from event_in_force where due is not null group by ticket_id
), raised as (
  select ticket_id, json_extract(detail, '$.to') as superior, max(event_id)
  from event_in_force where kind = 'escalated' group by ticket_id
)
select t.ticket_id, t.entity, t.source, t.source_key, t.field, t.evidence, t.golden_id, t.value, t.value_source,
       t.value_source_key, t.said, t.observed_on, t.owner, t.release, t.opened_at,
       coalesce(g.due, t.due) as due,
       case coalesce(e.kind, 'reopened') when 'reopened' then 'open' else e.kind end as state,
       coalesce(e.at, t.opened_at) as since, e.reason, a.kind as answer, a.decision_id as answered_by, r.superior
from ticket as t
left join last as l using (ticket_id)
left join ticket_event as e using (event_id)
left join answered as a on a.ticket_id = t.ticket_id
left join again as g on g.ticket_id = t.ticket_id
left join raised as r on r.ticket_id = t.ticket_id;

-- stands: one row per difference that stands in the release at hand, or is known to stand still (`direct` is false of
-- those and of what is asked back to the source of the golden value; `decided`: a steward chose the golden value).
create temp table if not exists stands (
  entity text not null, source text not null, source_key text not null, field text not null, evidence text not null,
  golden_id text not null, value text, value_source text not null, value_source_key text not null, said text,
  observed_on text, direct integer not null, decided integer not null,
  primary key (entity, source, source_key, field, evidence)) without rowid;

-- reach: one row per record of which differences may stand otherwise than after the release before, where that was taken
-- in and only some may.
create temp table if not exists reach (
  entity text not null, source text not null, source_key text not null, primary key (entity, source, source_key))
  without rowid;

-- holds: one row per open ticket about a record that says what is now the golden value, as it did.
create temp table if not exists holds (ticket_id integer primary key);

-- owned: one row per source: who answers for it.
create temp table if not exists owned (
  entity text not null, source text not null, owner text not null, primary key (entity, source)) without rowid;
