from __future__ import annotations

from django.urls import path

from tests.pinning import views

urlpatterns = [
    path("write/<slug:how>/<slug:title>/", views.write),
    path("read/<slug:title>/", views.read),
    path("write-and-read/<slug:how>/<slug:title>/", views.write_and_read),
    path("write-and-read-in-atomic/<slug:title>/", views.write_and_read_in_atomic),
    path("write-nothing/", views.write_nothing),
    path("write-while-streaming/<slug:title>/", views.write_while_streaming),
    path("write-up-to-a-page-boundary/<slug:title>/", views.write_up_to_a_page_boundary),
    path("write-other/<slug:title>/", views.write_other),
    path("read-other/<slug:title>/", views.read_other),
    path("awrite/<slug:title>/", views.awrite),
    path("aread/<slug:title>/", views.aread),
    path("login/", views.login),
    path("who/", views.who),
    path("rename/<int:author>/<slug:name>/", views.rename),
    path("tag/<int:book>/<int:tag>/", views.tag),
    path("delete-author/<int:author>/", views.delete_author),
    path("form/<str:name>/<int:pk>/", views.form),
    path("set-copies/<slug:title>/<int:copies>/", views.set_copies),
    path("copies/<slug:title>/", views.copies),
    path("cached-copies/<slug:title>/", views.cached_copies),
    path("copies-page/<slug:title>/", views.copies_page),
]
