-- A golden id that is malformed, stands twice, or both lives and has ended.
select golden_id, 'malformed' as fault from golden where not well_formed(golden_id)
union all select golden_id, 'twice' from golden group by golden_id having count(*) > 1
union all select r.golden_id, 'lives and has ended' from redirect as r join golden using (golden_id)
where r.kind <> 'split';
