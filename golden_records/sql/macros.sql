-- check_character(text): ISO 7064 MOD 37,36 over a golden id without its last character; well_formed(id).
create or replace temp macro check_step(state, c) as
    ((state + strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', c) - 2) % 36 + 1) * 2 % 37;

create or replace temp macro check_prefix(p) as
    case length(p)
        when 1 then check_step(36, p)
        when 2 then check_step(check_step(36, p[1]), p[2])
        when 3 then check_step(check_step(check_step(36, p[1]), p[2]), p[3])
    end;

create or replace temp macro check_digits(state, d) as
    check_step(check_step(check_step(check_step(check_step(check_step(
    check_step(check_step(check_step(check_step(check_step(check_step(
        state, d[1]), d[2]), d[3]), d[4]), d[5]), d[6]),
        d[7]), d[8]), d[9]), d[10]), d[11]), d[12]);

create or replace temp macro check_character(t) as
    substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
           ((37 - check_digits(check_prefix(left(t, length(t) - 12)), right(t, 12))) % 36 + 1)::bigint, 1);

create or replace temp macro well_formed(id) as
    regexp_full_match(id, '[A-Z]{1,3}[0-9]{12}[0-9A-Z]') and check_character(left(id, -1)) = right(id, 1);
