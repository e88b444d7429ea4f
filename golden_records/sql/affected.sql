-- asked: one row per source record of which something changed since the last plan: what linking tells of, what
-- stewards decided or withdrew, rows of lists that were replaced, sources that came to be late or in time.
create or replace temp table asked as
select source, source_key from touched
union
select source, source_key from (
    (from decided_now except from decided) union all (from decided except from decided_now)
)
union
select source, source_key
from standard
join (
    select source, day as observed_on
    from ((from listing except from listing_before) union all (from listing_before except from listing))
) using (source, observed_on)
union
select source, source_key
from standard
where source in (
    select source
    from ((from speaker except from speaker_before) union all (from speaker_before except from speaker))
);

-- joined: these records and all that are in one cluster with them.
create or replace temp table joined as
with held as (
    select distinct c.cluster_id
    from cluster c join (select record_id from standard semi join asked using (source, source_key)) using (record_id)
)
select source, source_key from asked
union
select s.source, s.source_key
from standard s join (select record_id from cluster semi join held using (cluster_id)) using (record_id);

-- affected_id: the ids that ever held such a record, and those that answer with one of them or it with them.
create table affected_id as
with recursive edge as (
    select golden_id, unnest(successors) as other from redirect
    union
    select unnest(successors), golden_id from redirect
), reached as (
    select distinct golden_id from crosswalk semi join joined using (source, source_key)
    union
    select e.other from reached r join edge e using (golden_id)
)
from reached;

-- affected_record: the records to work on: these, and what the affected ids hold.
create table affected_record as
from joined
union
select source, source_key from crosswalk semi join affected_id using (golden_id) where until is null;

-- before_crosswalk, before_golden, before_redirect, before_identifier: what the release before says of the affected ids.
create table before_crosswalk as from crosswalk semi join affected_id using (golden_id);
create table before_golden as from golden semi join affected_id using (golden_id);
create table before_redirect as from redirect semi join affected_id using (golden_id);
create table before_identifier as from identifier semi join affected_id using (golden_id);

-- standard, past, cluster, finding: what there is of the affected records. A wide table is asked for numbers, not texts.
create temp table affected_version as
select record_id from standard semi join affected_record using (source, source_key)
union
select record_id from past semi join affected_record using (source, source_key);

create table standard as from standard where record_id in (from affected_version);
create table past as from past where record_id in (from affected_version);
create table cluster as from cluster semi join standard using (record_id);
create table finding as from finding where record_id in (from affected_version);

drop table affected_version;
