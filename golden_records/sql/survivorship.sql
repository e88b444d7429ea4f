-- voter: one row per source: its number in the lists of sources, and the number of the voice it speaks with.
create or replace temp table voter (source varchar, number utinyint, voice utinyint);

-- provenance: one row per golden value and, for a field with history, per period of equal values.
create or replace table provenance (
    g integer, golden_id varchar, field varchar, value varchar,
    valid_from date, last_seen date, valid_to date,
    source varchar, source_key varchar, record_id bigint,
    rule varchar, agree varchar[], differ varchar[], state varchar
);

-- past: standardized versions of the days before; empty where nothing was ever replaced.
create table if not exists past as select *, null::date as since, null::date as until from standard where false;

-- testimony: what records say and said, and until when: a row of a yearly list speaks for its year.
create or replace temp view testimony as
select s.*, l.next_day as until
from standard s left join listing l on l.source = s.source and l.day = s.observed_on
union all by name
select * exclude (since) from past;

-- version_said: the same without days.
create or replace temp view version_said as
select * from standard
union all by name
select * exclude (since, until) from past;

-- witness: the golden record of every record that speaks in `testimony`.
create or replace temp table witness as
select ordinal, g from member
union all
select p.ordinal, m.g
from past p
join standard s on s.source = p.source and s.source_key = p.source_key
join member m on m.ordinal = s.ordinal;
