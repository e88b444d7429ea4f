-- star: one round of connected components over edges (high, low): every node hooks its larger neighbours to the smallest
-- of all (large star), then its smaller ones and itself (small star). Kiveris et al., Connected Components in MapReduce
-- and Beyond, 2014.
with both as (
  select high as node, low as neighbour from edge union all select low, high from edge
), large as (
  select distinct neighbour as high, least(node, least_one) as low
  from (select node, neighbour, min(neighbour) over (partition by node) as least_one from both) as hooked
  where neighbour > node
), small as (
  select high, low, min(low) over (partition by high) as least_one from large
)
select high, least_one as low from small
union
select low, least_one from small where low <> least_one;
