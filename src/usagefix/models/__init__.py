"""What the verbs take and return: frozen values, no behaviour beyond what follows from their own fields.

One module a subject, imported where it is needed: to make all these classes takes longer than to connect.
"""
