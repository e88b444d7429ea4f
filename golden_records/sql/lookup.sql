-- source_key: one row per source record ever placed; identifier: per value of an identifier field and golden
-- record; golden: per living golden id; redirect: per id that answers with others (successors as JSON).
pragma page_size = 8192;
pragma journal_mode = off;
pragma synchronous = off;

create table source_key (
    entity text not null, source text not null, source_key text not null, golden_id text not null,
    primary key (entity, source, source_key)
) without rowid;

create table identifier (
    entity text not null, field text not null, value text not null, golden_id text not null,
    primary key (entity, field, value, golden_id)
) without rowid;

create table golden (
    golden_id text not null primary key, entity text not null, status text not null
) without rowid;

create table redirect (
    golden_id text not null primary key, entity text not null, kind text not null, successors text not null
) without rowid;
