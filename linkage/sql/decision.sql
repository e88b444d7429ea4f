-- decision: one row per thing that a steward said about source records; added and withdrawn, never changed.
-- needs: why a second person must confirm it; blind: an answer that measures stewards and decides nothing;
-- item: what waited, or would wait, for it.
create table if not exists decision (
  decision_id integer primary key autoincrement, kind text not null, entity text not null,
  subjects text not null, payload text not null, steward text not null, reason text not null,
  evidence text, decided_at text not null, withdrawn_at text, withdrawn_by text, needs text, blind text, item text);
create index if not exists decision_of on decision (item);
create trigger if not exists decision_stays before update on decision
  when old.withdrawn_at is not null or new.subjects <> old.subjects or new.kind <> old.kind
    or new.payload <> old.payload or new.steward <> old.steward or new.reason <> old.reason
    or new.entity <> old.entity or new.decided_at <> old.decided_at or new.evidence is not old.evidence
    or new.needs is not old.needs or new.blind is not old.blind or new.item is not old.item
  begin select raise(abort, 'a decision is never changed, only withdrawn'); end;
create trigger if not exists decision_remains before delete on decision
  begin select raise(abort, 'a decision is never deleted, only withdrawn'); end;

-- confirmation: one row per decision that a second person confirmed.
create table if not exists confirmation (
  decision_id integer primary key references decision, steward text not null, reason text not null,
  confirmed_at text not null);
create trigger if not exists confirmation_of_another before insert on confirmation
  when new.steward = (select steward from decision where decision_id = new.decision_id)
  begin select raise(abort, 'nobody confirms a decision of his own'); end;
create trigger if not exists confirmation_stays before update on confirmation
  begin select raise(abort, 'a confirmation is never changed'); end;
create trigger if not exists confirmation_remains before delete on confirmation
  begin select raise(abort, 'a confirmation is never deleted'); end;

-- decision_evidence: one row per decision made without looking at the queue: the evidence of the first run that took it in.
create table if not exists decision_evidence (
  decision_id integer primary key references decision, evidence text not null, seen_at text not null);
create trigger if not exists decision_evidence_stays before update on decision_evidence
  begin select raise(abort, 'the evidence of a decision is never changed'); end;
create trigger if not exists decision_evidence_remains before delete on decision_evidence
  begin select raise(abort, 'the evidence of a decision is never deleted'); end;

-- said: one row per decision with what it rests on, who confirmed it, and whether it counts.
create view if not exists said as
select d.decision_id, d.kind, d.entity, d.subjects, d.payload, d.steward, d.reason, d.decided_at, d.withdrawn_at,
       d.withdrawn_by, d.needs, d.blind, d.item, coalesce(d.evidence, e.evidence) as evidence, c.steward as second,
       case when d.withdrawn_at is not null then 'withdrawn'
            when d.needs is not null and c.decision_id is null then 'proposed' else 'in force' end as state
from decision as d
left join confirmation as c using (decision_id)
left join decision_evidence as e using (decision_id);

-- item: one row per thing that waits, or waited, for a steward; worked out by every run. control: the known answer.
create table if not exists item (
  item text primary key, entity text not null, subjects text not null, match_weight real, verdict text not null,
  reason text not null, evidence text not null, said text not null, levels text not null, value real not null,
  worth text not null, region text not null, about integer, control text, found_by text,
  opened_on text not null, due text not null, closed_because text, closed_at text) without rowid;
create index if not exists item_waits on item (closed_because, entity, due, value, match_weight, region, control);

-- item_event: one row per thing that became of an item: claimed, assigned, released, closed by itself.
create table if not exists item_event (
  event_id integer primary key autoincrement, item text not null, kind text not null, steward text not null,
  until text, reason text, actor text not null, at text not null);
create index if not exists item_event_of on item_event (item, event_id);
create index if not exists item_event_by on item_event (steward, item, event_id);
create trigger if not exists item_event_stays before update on item_event
  begin select raise(abort, 'an event of the queue is never changed'); end;
create trigger if not exists item_event_remains before delete on item_event
  begin select raise(abort, 'an event of the queue is never deleted'); end;

-- held: one row per item and steward that was handed it last and did not give it back, and until when.
create view if not exists held as
select e.item, e.steward, e.until, e.reason from item_event as e
where e.kind in ('claimed', 'assigned')
  and not exists (select 1 from item_event as l where l.item = e.item and l.steward = e.steward
                  and l.event_id > e.event_id and l.kind in ('claimed', 'assigned', 'released'));

-- answered: one row per item and decision on its present evidence that answers it. Answers to tickets and leave to see clear
-- text are about the same records and answer nothing.
create view if not exists answered as
select i.item, d.decision_id
from item as i
join decision as d on d.item = i.item and d.blind is null and d.withdrawn_at is null and d.kind not in ('answer', 'unmask')
left join decision_evidence as e on e.decision_id = d.decision_id
where coalesce(d.evidence, e.evidence) is null or coalesce(d.evidence, e.evidence) = i.evidence;
