-- provenance: what was judged takes its place.
drop table provenance;
alter table judged rename to provenance;
