-- relation: one row per dated link from one golden record to another, with the record that says so. Who is no golden
-- record is only named: to_id is null and to_name is the name.
create or replace table relation (
    from_id varchar, type varchar, to_id varchar, to_name varchar, since date, until date, source varchar,
    source_key varchar
);

-- past: standardized versions of the days before; empty where nothing was ever replaced.
create table if not exists past as select *, null::date as since, null::date as until from standard where false;

-- evidence: what records say and said, and when: those that count now, and the versions before them.
create or replace temp view evidence as
select *, observed_on as since, null::date as until from standard
union all by name
select * from past;

-- holder: one row per source record ever placed: the golden record that has it, or had it last.
create or replace temp table holder as
select source, source_key, record_id, golden_id, until is null as lives
from (
    select source, source_key, golden_id, until,
           row_number() over (partition by source, source_key order by until is null desc, since_release desc) as n
    from crosswalk
) x
left join (select source, source_key, record_id from standard) s using (source, source_key)
where n = 1;
