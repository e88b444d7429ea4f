-- member: one row per source record that a golden id holds; relation: as published; event: per id that a change is of or
-- leads to; state, dispute: as published. Days are text. position is that of the row among those of its id.
create table if not exists member (
    golden_id text not null, source text not null, source_key text not null,
    primary key (golden_id, source, source_key)
) without rowid;

create table if not exists relation (
    entity text not null, from_id text not null, type text not null, to_id text, to_name text, since text, until text,
    source text, source_key text
);

create index if not exists relation_from on relation (from_id);

create index if not exists relation_to on relation (to_id);

create table if not exists event (
    shown_by text not null, seq integer not null, golden_id text not null, kind text not null, into_id text,
    release integer not null, at text,
    primary key (shown_by, seq)
) without rowid;

create index if not exists event_seq on event (seq) where shown_by = golden_id;

create table if not exists state (
    golden_id text not null, position integer not null, state text, since text, until text, event text, source text,
    source_key text,
    primary key (golden_id, position)
) without rowid;

create table if not exists dispute (
    golden_id text not null, position integer not null, field text not null, source text, source_key text, said text,
    observed_on text,
    primary key (golden_id, position)
) without rowid;
