// Schema: the migrations and named statements of sql/.
