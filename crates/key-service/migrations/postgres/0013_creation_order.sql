-- Keys in the order in which they were made, so that a page of them costs what it shows.

create index api_key_by_creation on api_key (creation, id);
